/* registry.h - sections as the sessions see them.
 *
 * A section carries the state of the one operation that may use it: its
 * continuation, its place in the stream, its statistics. So beginning an
 * operation allocates nothing a section. */
#ifndef SLUICE_SESSION_REGISTRY_H
#define SLUICE_SESSION_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

#include "queue.h"
#include "session/stash.h"

#define HASH_NONFATAL_OOM            1
#define uthash_malloc(size)          sluice__registry_hash_alloc(registry, size)
#define uthash_free(p, size)         sluice__registry_hash_free(registry, p, size)
#define uthash_nonfatal_oom(section) ((section)->is_lost = true)
#include <uthash.h>

/* What a section has been through in the running operation. */
typedef enum sluice__section_stage_e {
  SLUICE__SECTION_IDLE,
  SLUICE__SECTION_PRIMED, /* begin hook not called yet */
  SLUICE__SECTION_BEGUN,  /* ... and its end hook is owed */
  SLUICE__SECTION_ARMING, /* cut: not all armed yet */
  SLUICE__SECTION_CUT,    /* cut: what it was is fixed, START is owed */
  SLUICE__SECTION_LIVE,
  SLUICE__SECTION_CLEAN,     /* save: step said DONE */
  SLUICE__SECTION_RELEASING, /* save is over; its end hook is owed */
  SLUICE__SECTION_LOADED,    /* restore: step said DONE */
  SLUICE__SECTION_CHECKED,
  SLUICE__SECTION_OVER
} sluice__section_stage_t;

struct sluice_section_s {
  const sluice_handler_t *handler;
  void *self;
  sluice_section_options_t options;
  sluice_section_t *next; /* by priority, then registration */
  struct {                /* what the hash is over; name is zero-padded */
    uint32_t instance;
    char name[SLUICE_NAME_MAX + 1];
  } key;
  UT_hash_handle hh;
  bool is_lost; /* set by the hash when it had no memory */

  /* Of the running operation. */
  sluice__cont_t cont;
  void *session; /* the save or restore; NULL when none runs */
  struct sluice__restore_load_s *load; /* restore: that it waits for */
  sluice__section_stage_t stage;
  uint32_t id;         /* in the stream */
  uint64_t lent;       /* save: pages lent so far, */
  uint64_t returned;   /* and how many the handler knows to be back */
  uint64_t idle_ns;    /* when it began to move nothing, */
  uint32_t idle_steps; /* and in how many steps in a row: hook.h */
  bool is_end;         /* restore: the payload at hand is the last */
  bool is_mapping;     /* restore: its pages come by restore_map */
  sluice__stash_t stash;
  const void *stream_schema; /* inside restore_begin only */
  size_t stream_schema_len;

  /* Of pages that were restored by mapping; NULL: all are sound. */
  struct sluice__soundness_s *soundness;
};

struct sluice_registry_s {
  sluice_alloc_t alloc;
  sluice_section_t *by_key; /* hash */
  sluice_section_t *first;  /* list by priority */
  sluice_section_t *last;
  uint32_t count;
  uint32_t aliased; /* sections with former names */
  void *user;       /* the operation that uses it */
};

void *sluice__registry_hash_alloc(sluice_registry_t *registry, size_t size);
void sluice__registry_hash_free(sluice_registry_t *registry, void *p,
                                size_t size);

/* NULL when there is none. */
sluice_section_t *sluice__registry_find(sluice_registry_t *registry,
                                        const char *name, uint32_t instance);

/* As a stream names it: by name, or by a former one. */
sluice_section_t *sluice__registry_resolve(sluice_registry_t *registry,
                                           const char *name, uint32_t instance);

/* Takes the registry for `session`, all sections IDLE; UV_EBUSY, UV_EINVAL
 * (empty). */
int sluice__registry_acquire(sluice_registry_t *registry, void *session);
void sluice__registry_release(sluice_registry_t *registry);
/* What its sections hold of that operation's memory. */
void sluice__registry_free_stashes(sluice_registry_t *registry,
                                   sluice__mem_t *mem);

/* section.c; the section as a stream declares it. */
sluice_decl_t sluice__section_decl(const sluice_section_t *section);

static inline const char *sluice__section_name(const sluice_section_t *s) {
  return s->key.name;
}

static inline bool sluice__section_is_live(const sluice_section_t *s) {
  return s->handler->save_step != NULL;
}

#endif
