// table.cpp - a table of fields with options, as a C++20 host writes it.
#include <sluice/fields.h>

namespace {

struct pump_t {
  uint32_t speed;
  uint8_t used;
  uint8_t fifo[16];
  int32_t level;
  char name[8];
};

int is_named(const void *structure, uint32_t version) {
  return version > 1 && static_cast<const pump_t *>(structure)->name[0] != 0;
}

const sluice_field_t fields[] = {
    {SLUICE_U32(pump_t, speed), SLUICE_RANGE(1, 6000)},
    {SLUICE_U8(pump_t, used), SLUICE_EQUAL},
    {SLUICE_COUNTED(U8, pump_t, fifo, used), .since = 2},
    {SLUICE_I32(pump_t, level), .since = 2, .optional = 1, .alias = "depth",
     SLUICE_RANGE(-5, 5)},
    {SLUICE_TEXT(pump_t, name), .exists = is_named},
    {SLUICE_FIELDS_END}};

} // namespace

extern const sluice_table_t pump;
const sluice_table_t pump = {SLUICE_TABLE(pump_t, "pump", 2, 1),
                             .fields = fields};
