/* load_qemu.c - loading payloads of QEMU's, in the order of the table: fields
 * without names or counts, then the subsections that are there, each behind its
 * name.
 *
 * Must not know plans: such a payload comes without a schema. */
#include <inttypes.h>

#include <sluice/reader.h>

#include "fields/load.h"

#define QEMU_SUBSECTION 0x05

/* Bytes of the fields that come first and are there in any case: asking the
 * reader for each of them is what loading would spend its time with. */
static size_t fixed_bytes(const sluice_table_t *table, uint32_t version) {
  size_t sum = 0;

  for (const sluice_field_t *f = table->fields;
       f->name != NULL && f->since <= version && f->exists == NULL &&
       sluice__type_is_scalar(f->type) && f->shape <= SLUICE_SHAPE_ARRAY;
       f++) {
    size_t bytes = f->size * f->max;

    if (bytes > SLUICE_READER_EXACT_MAX - sum) {
      break;
    }
    sum += bytes;
  }
  return sum;
}

int sluice__load_qemu_fields(sluice__load_t *l, const sluice_table_t *table,
                             uint32_t version, void *to, void *live) {
  sluice__step_t step = {0};
  int r = sluice__in_want(&l->in, fixed_bytes(table, version));

  if (r < 0) {
    sluice__path_at(&l->path, table->fields->name);
    return sluice__path_fail(&l->path, r, "is truncated");
  }
  for (const sluice_field_t *f = table->fields; f->name != NULL && r == 0;
       f++) {
    sluice__path_at(&l->path, f->name);
    if (sluice__field_is_there(f, to, version)) {
      step.to = f;
      r = sluice__load_value(l, &step, to, live);
    }
  }
  return r;
}

/* Is this subsection next? 1, 0, SLUICE_WAIT or an error. Bytes are looked at
 * one step at a time: there may be few of them left in the stream. */
static int is_sub_next(sluice__load_t *l, const sluice_table_t *sub) {
  uint8_t head[2 + SLUICE_NAME_MAX];
  size_t len = strlen(sub->name);
  int r = sluice__in_peek(&l->in, head, 1);

  if (r == 1 && head[0] == QEMU_SUBSECTION) {
    r = sluice__in_peek(&l->in, head, 2);
    if (r == 1 && head[1] == len) {
      r = sluice__in_peek(&l->in, head, 2 + len);
      return r == 1 ? memcmp(head + 2, sub->name, len) == 0 : r;
    }
    return r == 1 ? 0 : r;
  }
  return r == 1 ? 0 : r;
}

static int load_qemu_sub(sluice__load_t *l, const sluice_table_t *sub, void *to,
                         void *live) {
  const uint8_t *head;
  uint32_t version = 0;
  int r = sluice__load_bytes(l, 2 + strlen(sub->name), &head);

  r = r == 0 ? sluice__load_u32(l, &version) : r;
  if (r != 0) {
    return r;
  }
  if (version > sub->version || version < sub->min_version) {
    return sluice__path_fail(
        &l->path, version > sub->version ? SLUICE_EVERSION : SLUICE_EOLDVERSION,
        "has version %" PRIu32 ", expected %" PRIu32 " to %" PRIu32, version,
        sub->min_version, sub->version);
  }
  r = sluice__path_enter(&l->path);
  if (r == 0) {
    r = sluice__load_table(l, 0, sub, version, to, live);
    sluice__path_leave(&l->path);
  }
  return r;
}

/* Only the outermost structure knows that nothing else can begin with 05. */
static int refuse_unknown_sub(sluice__load_t *l) {
  uint8_t byte = 0;
  int r = l->path.depth > 0 ? 0 : sluice__in_peek(&l->in, &byte, 1);

  sluice__path_at(&l->path, NULL);
  return r == 1 && byte == QEMU_SUBSECTION
             ? sluice__path_fail(&l->path, SLUICE_EUNKNOWN,
                                 "has a subsection that is not known")
             : (r == 1 ? 0 : r);
}

int sluice__load_qemu_subs(sluice__load_t *l, const sluice_table_t *table,
                           void *to, void *live) {
  const sluice_table_t *const *sub = table->subsections;
  int r = 0;

  for (; sub != NULL && *sub != NULL && r == 0; sub++) {
    sluice__path_at(&l->path, (*sub)->name);
    r = is_sub_next(l, *sub);
    r = r == 1 ? load_qemu_sub(l, *sub, to, live) : r;
  }
  return r == 0 ? refuse_unknown_sub(l) : r;
}
