/* takeover.h - the new side: takes over from the server behind a socket. */
#ifndef KVD_TAKEOVER_H
#define KVD_TAKEOVER_H

struct server_s;

/* Connects to a kvd with --handover, and runs the loop until this one serves in
 * its place. A code, explained on stderr, if that goes on: then nothing has
 * happened. */
int takeover_run(struct server_s *s, const char *path);

#endif
