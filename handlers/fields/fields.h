/* fields.h - a section of fields: what its saving and restoring share. */
#ifndef SLUICE_FIELDS_FIELDS_H
#define SLUICE_FIELDS_FIELDS_H

#include "fields/foreign.h"
#include "fields/load.h"

enum { SLUICE__FIELDS_LOCAL = 192 /* bytes of a payload without malloc() */ };

/* A payload too large for one slice, while the host is paused. */
typedef struct sluice__fields_save_s {
  uint8_t *bytes;
  size_t len;
  size_t sent;
} sluice__fields_save_t;

/* From restore_begin to restore_end. */
typedef struct sluice__fields_restore_s {
  sluice__foreign_t
      *foreign;              /* the stream's schema, when not the table's own */
  const sluice__plan_t *use; /* its plan or the kind's; NULL: no schema came */
  uint32_t version;
  size_t max_bytes;
  sluice__out_t bytes;     /* of the payload, as they arrive */
  sluice_reader_t *reader; /* lent for one step */
  sluice__load_t load;
  uint8_t local[SLUICE__FIELDS_LOCAL];
} sluice__fields_restore_t;

struct sluice_fields_s {
  int is_held; /* by the registry */
  sluice__kind_t *kind;
  void *structure;
  sluice__fields_save_t save;
  sluice__fields_restore_t *restore; /* NULL outside */
};

/* fields_save.c and fields_restore.c fill their hooks in. */
void sluice__fields_set_save(sluice_handler_t *h);
void sluice__fields_set_restore(sluice_handler_t *h);

void sluice__fields_end_restore(sluice_fields_t *fields);

#endif
