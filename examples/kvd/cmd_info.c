/* cmd_info.c - INFO [section...]. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands_list.h"
#include "reply.h"
#include "server.h"

enum { SECTION_MAX = 2048 };

typedef unsigned long long ull;

static void write_server(const server_t *s, char *out) {
  ull seconds = (uv_hrtime() - s->start_ns) / 1000000000u;

  snprintf(out, SECTION_MAX,
           "kvd_version:0.1.0\r\n"
           "redis_version:7.0.0\r\n" /* what clients may expect of us */
           "process_id:%ld\r\n"
           "tcp_port:%d\r\n"
           "uptime_in_seconds:%llu\r\n",
           (long)getpid(), s->port, seconds);
}

static void write_clients(const server_t *s, char *out) {
  snprintf(out, SECTION_MAX,
           "connected_clients:%u\r\n"
           "maxclients:%d\r\n",
           s->conn_count, SERVER_CLIENTS_MAX);
}

static void write_memory(const server_t *s, char *out) {
  size_t resident = 0;

  (void)uv_resident_set_memory(&resident);
  snprintf(out, SECTION_MAX,
           "used_memory:%llu\r\n"
           "used_memory_rss:%zu\r\n"
           "heap_bytes:%llu\r\n"
           "heap_reserved:%llu\r\n"
           "maxmemory:%llu\r\n"
           "maxmemory_policy:noeviction\r\n",
           (ull)db_used(&s->db), resident, (ull)heap_header(&s->db.heap)->top,
           (ull)s->db.heap.reserved, (ull)s->db.max_memory);
}

static void write_persistence(const server_t *s, char *out) {
  persist_info(&s->persist, out, SECTION_MAX);
}

static void write_handover(const server_t *s, char *out) {
  handover_info(&s->handover, out, SECTION_MAX);
}

static void write_stats(const server_t *s, char *out) {
  snprintf(out, SECTION_MAX,
           "total_connections_received:%llu\r\n"
           "total_commands_processed:%llu\r\n"
           "expired_keys:%llu\r\n"
           "keyspace_hits:%llu\r\n"
           "keyspace_misses:%llu\r\n",
           (ull)s->conn_total, (ull)s->command_total, (ull)s->db.expired,
           (ull)s->db.hits, (ull)s->db.misses);
}

static void write_keyspace(const server_t *s, char *out) {
  out[0] = '\0';
  if (db_count(&s->db) > 0) {
    snprintf(out, SECTION_MAX, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n",
             (ull)db_count(&s->db), (ull)db_expiring(&s->db));
  }
}

static const struct {
  const char *name;
  const char *title;
  void (*write)(const server_t *s, char *out);
} sections[] = {
    {"server", "Server", write_server},
    {"clients", "Clients", write_clients},
    {"memory", "Memory", write_memory},
    {"persistence", "Persistence", write_persistence},
    {"handover", "Handover", write_handover},
    {"stats", "Stats", write_stats},
    {"keyspace", "Keyspace", write_keyspace},
};

enum { SECTIONS = sizeof(sections) / sizeof(sections[0]) };

static bool is_asked(const call_t *c, const char *name) {
  for (size_t i = 1; i < c->argc; i++) {
    if (call_is(c, i, name) || call_is(c, i, "all") ||
        call_is(c, i, "everything") || call_is(c, i, "default")) {
      return true;
    }
  }
  return c->argc == 1;
}

void cmd_info(call_t *c) {
  char text[SECTIONS * (SECTION_MAX + 32)];
  char section[SECTION_MAX];
  size_t n = 0;

  for (size_t i = 0; i < SECTIONS; i++) {
    if (!is_asked(c, sections[i].name)) {
      continue;
    }
    sections[i].write(c->server, section);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "%s# %s\r\n%s",
                          n == 0 ? "" : "\r\n", sections[i].title, section);
  }
  reply_bulk(c->out, (bytes_t){text, n});
}
