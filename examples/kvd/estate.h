/* estate.h - all that a server leaves to its successor, as sections of
 * Sluice's:
 *
 *   heap     ram: the data, copied, or its memfd passed
 *   server   fields: counters, and what it was about to do
 *   clients  descriptors: listeners and connections, each with its state
 *
 * The same on both sides, so that they agree. Knows what there is, not when it
 * goes where: handover.h, takeover.h. */
#ifndef KVD_ESTATE_H
#define KVD_ESTATE_H

#include <sluice/descriptors.h>
#include <sluice/fields.h>
#include <sluice/ram.h>
#include <sluice/sluice.h>

#include "bytes.h"
#include "pack.h"

struct server_s;
struct conn_s;

typedef struct estate_numbers_s {
  uint64_t paused_ns; /* when clients were served last, CLOCK_MONOTONIC */
  uint64_t commands;
  uint64_t connections;
  uint64_t hits;
  uint64_t misses;
  uint64_t expired;
  uint64_t changes;
  uint64_t changes_saved;
  uint64_t saves;
  uint64_t failures;
  int64_t last_save;
  uint64_t takeovers;
  bool is_save_wanted;
} estate_numbers_t;

/* What the successor has to know before it can make room. */
typedef struct estate_offer_s {
  uint64_t bytes;    /* of the heap's region */
  uint64_t reserved; /* of the heap */
  bool is_memfd;
} estate_offer_t;

/* One that was passed, until it is used. */
typedef struct estate_item_s {
  int fd; /* -1: not yet */
  uint32_t tag;
  bytes_t state; /* malloc()ed */
} estate_item_t;

enum { ESTATE_TCP, ESTATE_PIPE, ESTATE_HANDOVER, ESTATE_TCP_CONN, ESTATE_CONN };

typedef struct estate_s {
  struct server_s *server;
  estate_offer_t offer;
  estate_numbers_t numbers;
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  sluice_ram_marks_t marks;
  sluice_fields_t *fields;
  sluice_descriptors_t *descriptors;

  /* old: the next one to be listed */
  uint32_t listed;
  struct conn_s *conn;
  pack_t state;

  /* new: what came, in order */
  estate_item_t *items;
  size_t count; /* checked */
  size_t taken;
  size_t cap;
} estate_t;

/* The heap's region is as large as it may become while it is handed over. */
estate_offer_t estate_make_offer(const struct server_s *s);
void estate_pack_offer(const estate_offer_t *offer, pack_t *p);
/* Says whether it makes sense. */
bool estate_unpack_offer(estate_offer_t *offer, bytes_t bytes);

/* A registry, empty yet. UV_ENOMEM. */
int estate_open(estate_t *e, struct server_s *s);
/* Registers all of it. `is_new`: nothing was ever written to the heap's region.
 * What was made is for estate_close() in any case. */
int estate_fill(estate_t *e, const estate_offer_t *offer, bool is_new,
                sluice_error_t *err);
/* What came and was not used is closed. */
void estate_close(estate_t *e);

/* Of a server that is paused now. */
void estate_note_numbers(estate_t *e);
void estate_apply_numbers(const estate_t *e);

#endif
