/* estate.c - the three sections.
 *
 * The region of the heap is larger than the heap, which may grow meanwhile;
 * what was never written is blank, and costs nothing. */
#include "estate.h"

#include <string.h>

#include "estate_clients.h"
#include "server.h"

/* The heap may double while it is copied, and a small one more than that. One
 * that is passed takes milliseconds, and a larger region longer: its bitmaps
 * are made in the pause. */
static const uint64_t room = (uint64_t)1 << 30;
static const uint64_t room_memfd = (uint64_t)128 << 20;

static uint64_t room_for(const heap_t *h) {
  uint64_t top = heap_header(h)->top;

  if (h->memfd >= 0) {
    return room_memfd;
  }
  return top > room ? top : room;
}

/* --- the offer --- */

estate_offer_t estate_make_offer(const server_t *s) {
  const heap_t *h = &s->db.heap;
  uint64_t top = heap_header(h)->top;
  uint64_t bytes = top + room_for(h);

  return (estate_offer_t){.bytes = bytes < h->reserved ? bytes : h->reserved,
                          .reserved = h->reserved,
                          .is_memfd = h->memfd >= 0};
}

void estate_pack_offer(const estate_offer_t *offer, pack_t *p) {
  pack_number(p, offer->bytes);
  pack_number(p, offer->reserved);
  pack_number(p, offer->is_memfd ? 1 : 0);
}

bool estate_unpack_offer(estate_offer_t *offer, bytes_t bytes) {
  unpack_t u = {.at = bytes.p, .left = bytes.n};

  offer->bytes = unpack_number(&u);
  offer->reserved = unpack_number(&u);
  offer->is_memfd = unpack_number(&u) != 0;
  return !u.failed && u.left == 0 && offer->bytes >= HEAP_PAGE &&
         offer->bytes % HEAP_PAGE == 0 && offer->reserved <= HEAP_RESERVE_MAX &&
         offer->bytes <= offer->reserved;
}

/* --- the sections --- */

static const sluice_field_t numbers_fields[] = {
    {SLUICE_U64(estate_numbers_t, paused_ns)},
    {SLUICE_U64(estate_numbers_t, commands)},
    {SLUICE_U64(estate_numbers_t, connections)},
    {SLUICE_U64(estate_numbers_t, hits)},
    {SLUICE_U64(estate_numbers_t, misses)},
    {SLUICE_U64(estate_numbers_t, expired)},
    {SLUICE_U64(estate_numbers_t, changes)},
    {SLUICE_U64(estate_numbers_t, changes_saved)},
    {SLUICE_U64(estate_numbers_t, saves)},
    {SLUICE_U64(estate_numbers_t, failures)},
    {SLUICE_I64(estate_numbers_t, last_save)},
    {SLUICE_U64(estate_numbers_t, takeovers)},
    {SLUICE_BOOL(estate_numbers_t, is_save_wanted)},
    {SLUICE_FIELDS_END}};

static const sluice_table_t numbers_table = {
    SLUICE_TABLE(estate_numbers_t, "server", 1, 1), .fields = numbers_fields};

/* A memfd of its own must stay; other memory may be replaced, by one that is
 * passed for one. */
static uint32_t region_flags(const estate_t *e) {
  const heap_t *h = &e->server->db.heap;

  return h->memfd >= 0 ? SLUICE_RAM_IN_PLACE
                       : SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP;
}

static int add_heap(estate_t *e, bool is_new, sluice_error_t *err) {
  const sluice_ram_options_t options = {.size = sizeof(options),
                                        .page_size = HEAP_PAGE};
  const heap_t *h = &e->server->db.heap;
  int r = sluice_ram_new(&e->ram, e->registry, "heap", NULL, &options, err);

  if (r == 0) {
    r = sluice_ram_add_region(e->ram, "heap", h->base, e->offer.bytes,
                              region_flags(e), NULL);
  }
  if (r == 0) {
    r = sluice_ram_blank(e->ram, 0, is_new ? 0 : heap_header(h)->top);
  }
  if (r == 0 && !is_new) {
    r = persist_inherit(&e->server->persist, e->ram);
  }
  if (r == 0 && !is_new && h->memfd >= 0) {
    r = sluice_ram_region_memfd(e->ram, 0, h->memfd);
  }
  return r == 0 ? sluice_ram_marks(e->ram, 0, &e->marks, sizeof(e->marks)) : r;
}

int estate_open(estate_t *e, server_t *s) {
  memset(e, 0, sizeof(*e));
  e->server = s;
  return sluice_registry_new(&e->registry, NULL);
}

int estate_fill(estate_t *e, const estate_offer_t *offer, bool is_new,
                sluice_error_t *err) {
  int r;

  e->offer = *offer;
  r = add_heap(e, is_new, err);
  if (r == 0) {
    r = sluice_fields_new(&e->fields, e->registry, "server", NULL,
                          &numbers_table, &e->numbers, err);
  }
  return r == 0 ? estate_add_clients(e, err) : r;
}

void estate_close(estate_t *e) {
  (void)sluice_registry_free(e->registry);
  (void)sluice_ram_free(e->ram);
  (void)sluice_fields_free(e->fields);
  (void)sluice_descriptors_free(e->descriptors);
  estate_drop_items(e);
  pack_done(&e->state);
  memset(e, 0, sizeof(*e));
}

/* --- numbers --- */

void estate_note_numbers(estate_t *e) {
  const server_t *s = e->server;

  e->numbers = (estate_numbers_t){.paused_ns = uv_hrtime(),
                                  .commands = s->command_total,
                                  .connections = s->conn_total,
                                  .hits = s->db.hits,
                                  .misses = s->db.misses,
                                  .expired = s->db.expired,
                                  .changes = s->db.changes,
                                  .changes_saved = s->persist.changes_saved,
                                  .saves = s->persist.saves,
                                  .failures = s->persist.failures,
                                  .last_save = s->persist.last_save,
                                  .takeovers = s->handover.taken.takeovers,
                                  .is_save_wanted = s->persist.is_wanted};
}

void estate_apply_numbers(const estate_t *e) {
  const estate_numbers_t *n = &e->numbers;
  server_t *s = e->server;

  s->command_total = n->commands;
  s->conn_total = n->connections;
  s->db.hits = n->hits;
  s->db.misses = n->misses;
  s->db.expired = n->expired;
  s->db.changes = n->changes;
  s->persist.changes_saved = n->changes_saved;
  s->persist.saves = n->saves;
  s->persist.failures = n->failures;
  s->persist.last_save = n->last_save;
  s->persist.is_wanted = s->persist.is_wanted || n->is_save_wanted;
}
