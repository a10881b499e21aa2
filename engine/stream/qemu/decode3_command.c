/* decode3_command.c - commands to the loader, for display.
 *
 *   08 be16 number, be16 length, data
 *
 * Postcopy, packaged streams and COLO need an answer to the sender or another
 * order of everything: they are refused by name as soon as they are seen. */
#include "stream/qemu/decode3.h"

#include "stream/bytes.h"

struct command {
  const char *name;
  int length; /* of its data; -1: not supported */
};

/* By number. Since 2015, SWITCHOVER_START since 2025. */
static const struct command commands[] = {
    {"INVALID", -1},
    {"OPEN_RETURN_PATH", 0},
    {"PING", 4},
    {"POSTCOPY_ADVISE", -1},
    {"POSTCOPY_LISTEN", -1},
    {"POSTCOPY_RUN", -1},
    {"POSTCOPY_RAM_DISCARD", -1},
    {"PACKAGED", -1},
    {"ENABLE_COLO", -1},
    {"POSTCOPY_RESUME", -1},
    {"RECV_BITMAP", -1},
    {"SWITCHOVER_START", 0},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(*commands) };

const char *sluice__qemu3_command_name(uint32_t number) {
  if (number == 0 || number >= COMMAND_COUNT || commands[number].length < 0) {
    return NULL;
  }
  return commands[number].name;
}

static int check_command(sluice_decoder_t *d, uint32_t number, uint32_t len) {
  uint64_t at = d->window.offset;

  if (number == 0 || number >= COMMAND_COUNT) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, at, "",
                                "expected a known command, found number %u",
                                number);
  }
  if (commands[number].length < 0) {
    return sluice__decoder_fail(d, SLUICE_EFEATURE, at, "",
                                "command %s is not supported",
                                commands[number].name);
  }
  if (len != (uint32_t)commands[number].length) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, at, "",
                                "expected %d bytes with command %s, found %u",
                                commands[number].length, commands[number].name,
                                len);
  }
  return SLUICE__AGAIN;
}

int sluice__qemu3_command(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(w, SLUICE__QEMU_COMMAND_BYTES);
  uint32_t number;
  uint32_t len;
  int r;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "a command");
  }
  number = sluice__get_be16(p + 1);
  len = sluice__get_be16(p + 3);
  r = check_command(d, number, len);
  if (r != SLUICE__AGAIN) {
    return r;
  }
  p = sluice__window_peek(w, SLUICE__QEMU_COMMAND_BYTES + len);
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "a command");
  }
  item->kind = SLUICE_ITEM_COMMAND;
  item->offset = w->offset;
  item->u.command.number = number;
  item->u.command.name = commands[number].name;
  item->u.command.data = p + SLUICE__QEMU_COMMAND_BYTES;
  item->u.command.len = len;
  q->lent = SLUICE__QEMU_COMMAND_BYTES + len;
  return SLUICE__ITEM;
}
