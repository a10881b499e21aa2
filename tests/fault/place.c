/* place.c - the sections of a host: how they are made, looked at and taken
 * down. See world.h. */
#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "fault.h"

enum { KEY_BYTES = 2500 };

static int get_doc(void *data, const void **out, size_t *out_len,
                   sluice_error_t *err) {
  place_t *p = data;

  (void)err;
  p->doc_lent++;
  *out = p->doc;
  *out_len = DOC_BYTES;
  return 0;
}

static void done_doc(void *data) {
  ((place_t *)data)->doc_lent--;
}

static int get_tape(void *data, const void **out, size_t *out_len,
                    sluice_error_t *err) {
  place_t *p = data;

  (void)err;
  p->tape_lent++;
  *out = p->tape;
  *out_len = TAPE_BYTES;
  return 0;
}

static void done_tape(void *data) {
  ((place_t *)data)->tape_lent--;
}

static int check_doc(void *data, const void *bytes, size_t len,
                     uint32_t version, sluice_error_t *err) {
  (void)data;
  (void)bytes;
  (void)version;
  return len == DOC_BYTES ? 0 : sluice_fail(err, SLUICE_ECORRUPT, "no doc");
}

static void take_doc(void *data, void *bytes, size_t len, uint32_t version) {
  (void)version;
  memcpy(((place_t *)data)->doc, bytes, len < DOC_BYTES ? len : DOC_BYTES);
  free(bytes);
}

static void take_tape(void *data, void *bytes, size_t len, uint32_t version) {
  (void)version;
  memcpy(((place_t *)data)->tape, bytes, len < TAPE_BYTES ? len : TAPE_BYTES);
  free(bytes);
}

static int add_blobs(place_t *p) {
  sluice_blob_options_t o = {.size = sizeof(o),
                             .data = p,
                             .get = get_doc,
                             .done = done_doc,
                             .check = check_doc,
                             .take = take_doc};
  int r = sluice_blob_new(&p->doc_blob, p->registry, "doc", NULL, &o, NULL);

  o.get = get_tape;
  o.done = done_tape;
  o.check = NULL;
  o.take = take_tape;
  o.is_live = 1;
  return r < 0 ? r
               : sluice_blob_new(&p->tape_blob, p->registry, "tape", NULL, &o,
                                 NULL);
}

static int add_ram(place_t *p) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = (p->parts & WORLD_WP) != 0
                                                 ? SLUICE_RAM_WRITE_PROTECT
                                                 : SLUICE_RAM_COOPERATIVE};
  bool is_old = (p->parts & WORLD_QEMU2) != 0;
  unsigned flags = ((p->parts & WORLD_MAPS) != 0 ? SLUICE_RAM_REMAP : 0) |
                   ((p->parts & WORLD_IN_PLACE) != 0 ? SLUICE_RAM_IN_PLACE : 0);
  int r = sluice_ram_new(&p->ram, p->registry, "ram", NULL, &o, NULL);

  if (r == 0) {
    r = sluice_ram_add_region(p->ram, is_old ? "ram" : "low", p->low,
                              LOW_PAGES * PAGE, flags, NULL);
  }
  if (r == 0 && !is_old) {
    r = sluice_ram_add_region(p->ram, "high", p->high, HIGH_PAGES * PAGE,
                              SLUICE_RAM_REMAP, NULL);
  }
  return r;
}

const char *place_key(int i) {
  static const char *const keys[PLACE_KEYS] = {"a", "bb", "ccc", "dddd",
                                               "eeeee"};

  return keys[i];
}

static int add_table(place_t *p, unsigned seed) {
  const table_options_t o = {.buckets = 4};
  uint8_t value[KEY_BYTES];
  int r = table_new(&p->table, p->registry, "table", &o, NULL);

  for (int i = 0; i < PLACE_KEYS && r == 0; i++) {
    memset(value, (int)seed + i, sizeof(value));
    r = table_set(p->table, place_key(i), value,
                  sizeof(value) / (size_t)(i + 1));
  }
  return r;
}

static int add_rigged(place_t *p, unsigned seed) {
  const sluice_section_options_t first = {.size = sizeof(first), .priority = 5};
  unsigned kind = (p->parts & WORLD_ARMS) != 0
                      ? RIGGED_LIVE | RIGGED_ARMS | RIGGED_RELEASES
                      : RIGGED_LIVE;
  int r;

  rigged_init(&p->live, "live", kind, seed);
  rigged_init(&p->still, "still", 0, seed + 1);
  r = sluice_registry_add(p->registry, "live", &p->live.handler, &p->live,
                          &first, NULL, NULL);
  return r < 0 ? r
               : sluice_registry_add(p->registry, "still", &p->still.handler,
                                     &p->still, NULL, NULL, NULL);
}

static void fill_bytes(place_t *p, unsigned seed) {
  seed_t dice = {seed};

  for (int i = 0; i < LOW_PAGES; i++) {
    memset(p->low + i * PAGE, i % 3 == 2 ? 0 : (int)seed + i, PAGE);
  }
  for (int i = 0; i < HIGH_PAGES; i++) {
    memset(p->high + i * PAGE, i % 3 == 1 ? 0 : (int)seed + 100 + i, PAGE);
  }
  memset(p->doc, (int)seed + 1, DOC_BYTES);
  memset(p->tape, (int)seed + 2, TAPE_BYTES);
  sample_fill(&p->sample, &dice);
}

static uint8_t *map(size_t pages) {
  uint8_t *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (at == MAP_FAILED) {
    fault_die("no memory for the tests");
  }
  return at;
}

int place_open(place_t *p, unsigned parts, unsigned seed) {
  int r;

  p->parts = parts;
  fault_hold();
  p->low = map(LOW_PAGES);
  p->high = map(HIGH_PAGES);
  fill_bytes(p, seed);
  fault_release();
  r = sluice_registry_new(&p->registry, rig_allocator());
  if (r == 0 && (parts & WORLD_RAM) != 0) {
    r = add_ram(p);
  }
  if (r == 0 && (parts & WORLD_BLOBS) != 0) {
    r = add_blobs(p);
  }
  if (r == 0 && (parts & WORLD_FIELDS) != 0) {
    r = sluice_fields_new(&p->fields, p->registry, "fields", NULL,
                          &sample_table, &p->sample, NULL);
  }
  if (r == 0 && (parts & WORLD_TABLE) != 0) {
    r = add_table(p, seed);
  }
  if (r == 0 && (parts & WORLD_RIGGED) != 0) {
    r = add_rigged(p, seed);
  }
  return r;
}

int place_close(place_t *p) {
  int r = sluice_registry_free(p->registry);

  (void)sluice_ram_free(p->ram);
  (void)sluice_blob_free(p->doc_blob);
  (void)sluice_blob_free(p->tape_blob);
  (void)sluice_fields_free(p->fields);
  table_free(p->table);
  sample_done(&p->sample);
  if (p->low != NULL) {
    (void)munmap(p->low, LOW_PAGES * PAGE);
    (void)munmap(p->high, HIGH_PAGES * PAGE);
  }
  return r;
}

const char *place_complaint(const place_t *p) {
  if (p->doc_lent != 0 || p->tape_lent != 0) {
    return "a blob's bytes were not given back once";
  }
  if (p->live.is_broken || p->still.is_broken) {
    return "a hook was called out of order";
  }
  if (p->live.begins != p->live.ends || p->still.begins != p->still.ends) {
    return "an end hook was not called once";
  }
  return NULL;
}

static uint64_t mix(uint64_t sum, const void *bytes, size_t len) {
  return XXH3_64bits_withSeed(bytes, len, sum);
}

static uint64_t digest_fields(uint64_t sum, place_t *p) {
  uint8_t *bytes = NULL;
  size_t len = 0;

  if (sluice_fields_encode(&sample_table, SLUICE_FORMAT_NATIVE, &p->sample,
                           &bytes, &len, NULL) != 0) {
    fault_die("the fields cannot be looked at");
  }
  sum = mix(sum, bytes, len);
  free(bytes);
  return sum;
}

static uint64_t digest_table(uint64_t sum, const place_t *p) {
  for (int i = 0; i < PLACE_KEYS; i++) {
    size_t len = 0;
    const void *value = table_get(p->table, place_key(i), &len);

    sum = value == NULL ? mix(sum, "-", 1) : mix(sum, value, len);
  }
  return sum;
}

uint64_t place_digest(place_t *p) {
  uint64_t sum = 0;

  fault_hold();
  if ((p->parts & WORLD_RAM) != 0) {
    sum = mix(sum, p->low, LOW_PAGES * PAGE);
  }
  if ((p->parts & (WORLD_RAM | WORLD_QEMU2)) == WORLD_RAM) {
    sum = mix(sum, p->high, HIGH_PAGES * PAGE);
  }
  if ((p->parts & WORLD_BLOBS) != 0) {
    sum = mix(mix(sum, p->doc, DOC_BYTES), p->tape, TAPE_BYTES);
  }
  if ((p->parts & WORLD_FIELDS) != 0) {
    sum = digest_fields(sum, p);
  }
  if ((p->parts & WORLD_TABLE) != 0) {
    sum = digest_table(sum, p);
  }
  if ((p->parts & WORLD_RIGGED) != 0) {
    sum = mix(mix(sum, p->live.bytes, RIGGED_BYTES), p->still.bytes,
              RIGGED_BYTES);
  }
  fault_release();
  return sum;
}
