/* commands_list.h - the functions of the cmd_*.c files; for the table. */
#ifndef KVD_COMMANDS_LIST_H
#define KVD_COMMANDS_LIST_H

#include "commands.h"

/* cmd_string.c */
void cmd_get(call_t *c);
void cmd_getset(call_t *c);
void cmd_append(call_t *c);
void cmd_strlen(call_t *c);
void cmd_incr(call_t *c);
void cmd_decr(call_t *c);
void cmd_mget(call_t *c);
void cmd_mset(call_t *c);

/* cmd_set.c */
void cmd_set(call_t *c);

/* cmd_key.c */
void cmd_del(call_t *c);
void cmd_exists(call_t *c);
void cmd_expire(call_t *c);
void cmd_pexpire(call_t *c);
void cmd_ttl(call_t *c);
void cmd_pttl(call_t *c);
void cmd_dbsize(call_t *c);
void cmd_flushall(call_t *c);

/* cmd_server.c */
void cmd_ping(call_t *c);
void cmd_echo(call_t *c);
void cmd_select(call_t *c);
void cmd_quit(call_t *c);
void cmd_shutdown(call_t *c);
void cmd_bgsave(call_t *c);
void cmd_save(call_t *c);
void cmd_lastsave(call_t *c);
void cmd_command(call_t *c);

/* cmd_config.c, cmd_info.c */
void cmd_config(call_t *c);
void cmd_info(call_t *c);

#endif
