/* return_path.c - see return_path.h. A peer that does not listen any more finds
 * out by itself: failures to answer are of no interest here. */
#include "qemu/return_path.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { KIND_SHUT = 1, KIND_PONG = 2 };

enum { COMMAND_OPEN = 1, COMMAND_PING = 2 };

static void answer(const return_path_t *p, uint16_t kind, uint32_t value) {
  struct {
    uint16_t kind;
    uint16_t len;
    uint32_t value;
  } message = {htons(kind), htons(4), value};

  (void)send(p->fd, &message, sizeof(message), MSG_NOSIGNAL);
}

void return_path_note(return_path_t *p, const sluice_item_t *item) {
  const sluice_command_t *command = &item->u.command;
  uint32_t value;

  if (item->kind != SLUICE_ITEM_COMMAND) {
    return;
  }
  if (command->number == COMMAND_OPEN) {
    p->is_open = true;
  } else if (command->number == COMMAND_PING && p->is_open &&
             command->len == sizeof(value)) {
    memcpy(&value, command->data, sizeof(value)); /* goes back as it came */
    answer(p, KIND_PONG, value);
  }
}

void return_path_end(return_path_t *p, bool is_safe) {
  if (p->is_open) {
    answer(p, KIND_SHUT, htonl(is_safe ? 0 : 1));
    p->is_open = false;
  }
}
