/* registry.c - name and instance to section: names, duplicates, order.
 *
 * Knows no operation beyond who holds the registry. The list is kept sorted, so
 * an operation primes its sections by walking it once. */
#include "session/registry.h"

#include <string.h>
#include <uv.h>

#include <sluice/options.h>

#include "soundness/soundness.h"

#ifdef __clang__ /* does not read uthash's comments on falling through */
#pragma clang diagnostic ignored "-Wimplicit-fallthrough"
#endif

enum { WEIGHT_DEFAULT = 100, WEIGHT_MAX = 1000, TYPE_MAX = 31 };

void *sluice__registry_hash_alloc(sluice_registry_t *registry, size_t size) {
  return registry->alloc.alloc(registry->alloc.ctx, size,
                               _Alignof(max_align_t));
}

void sluice__registry_hash_free(sluice_registry_t *registry, void *p,
                                size_t size) {
  registry->alloc.release(registry->alloc.ctx, p, size, _Alignof(max_align_t));
}

int sluice_registry_new(sluice_registry_t **out, const sluice_alloc_t *alloc) {
  const sluice_alloc_t *a = alloc != NULL ? alloc : sluice_alloc_libc();
  sluice_registry_t *registry;

  if (out == NULL) {
    return UV_EINVAL;
  }
  registry = a->alloc(a->ctx, sizeof(*registry), _Alignof(max_align_t));
  if (registry == NULL) {
    return UV_ENOMEM;
  }
  memset(registry, 0, sizeof(*registry));
  registry->alloc = *a;
  *out = registry;
  return 0;
}

static bool is_name(const char *name) {
  size_t len = strlen(name);

  for (size_t i = 0; i < len; i++) {
    if (name[i] <= ' ' || name[i] > '~') {
      return false;
    }
  }
  return len >= 1 && len <= SLUICE_NAME_MAX;
}

static bool is_type(const char *type) {
  size_t len = type == NULL ? 0 : strlen(type);

  return len >= 1 && len <= TYPE_MAX &&
         strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* Either direction may be left out, but not in part. */
static bool is_handler(const sluice_handler_t *h) {
  bool saves =
      h->save_begin != NULL && h->save_finish != NULL && h->save_end != NULL;
  bool restores = h->restore_begin != NULL && h->restore_step != NULL &&
                  h->restore_end != NULL;

  return h->size == sizeof(*h) && is_type(h->type) &&
         h->min_version <= h->version && (saves || h->save_begin == NULL) &&
         (restores || h->restore_begin == NULL) && (saves || restores);
}

static int check_new(sluice_registry_t *registry, const char *name,
                     const sluice_handler_t *handler,
                     const sluice_section_options_t *o, sluice_error_t *err) {
  if (registry == NULL || name == NULL || handler == NULL) {
    return sluice_fail(err, UV_EINVAL,
                       "a section needs a registry, a name and a handler");
  }
  if (registry->user != NULL) {
    return sluice_fail(err, UV_EBUSY, "an operation uses the registry");
  }
  if (!is_name(name)) {
    return sluice_fail(err, UV_EINVAL,
                       "a name is 1 to %d printable characters without space",
                       SLUICE_NAME_MAX);
  }
  if (!is_handler(handler)) {
    return sluice_fail(err, UV_EINVAL,
                       "handler of '%s' lacks a hook, a type or its size",
                       name);
  }
  if (o->weight > WEIGHT_MAX) {
    return sluice_fail(err, UV_EINVAL, "weight of '%s' is %u, at most %d", name,
                       o->weight, WEIGHT_MAX);
  }
  if (sluice__registry_find(registry, name, o->instance) != NULL) {
    return sluice_fail(err, SLUICE_EEXISTS, "'%s' instance %u is registered",
                       name, o->instance);
  }
  return 0;
}

static void insert_by_priority(sluice_registry_t *registry,
                               sluice_section_t *section) {
  sluice_section_t **at = &registry->first;

  if (registry->last != NULL &&
      registry->last->options.priority >= section->options.priority) {
    at = &registry->last->next; /* the common case: one priority for all */
  }
  while (*at != NULL && (*at)->options.priority >= section->options.priority) {
    at = &(*at)->next;
  }
  section->next = *at;
  *at = section;
  if (section->next == NULL) {
    registry->last = section;
  }
}

static sluice_section_t *new_section(sluice_registry_t *registry,
                                     const char *name,
                                     const sluice_handler_t *handler,
                                     void *self,
                                     const sluice_section_options_t *o) {
  sluice_section_t *section =
      sluice__registry_hash_alloc(registry, sizeof(*section));

  if (section == NULL) {
    return NULL;
  }
  memset(section, 0, sizeof(*section));
  section->handler = handler;
  section->self = self;
  section->options = *o;
  if (o->weight == 0) {
    section->options.weight = WEIGHT_DEFAULT;
  }
  section->key.instance = o->instance;
  memcpy(section->key.name, name, strlen(name));
  return section;
}

/* The hash covers instance and name, without the padding behind it. */
static unsigned key_len(const char *name) {
  return (unsigned)(offsetof(sluice_section_t, key.name) -
                    offsetof(sluice_section_t, key) + strlen(name));
}

int sluice_registry_add(sluice_registry_t *registry, const char *name,
                        const sluice_handler_t *handler, void *self,
                        const sluice_section_options_t *options,
                        sluice_section_t **out_section, sluice_error_t *err) {
  sluice_section_options_t o;
  sluice_section_t *section;
  int r = SLUICE_OPTIONS_COPY(&o, options, "section options",
                              sluice_section_options_t, aliases, err);

  if (r == 0) {
    r = check_new(registry, name, handler, &o, err);
  }
  if (r < 0) {
    return r;
  }
  section = new_section(registry, name, handler, self, &o);
  if (section == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for section '%s'", name);
  }
  HASH_ADD(hh, registry->by_key, key, key_len(name), section);
  if (section->is_lost) {
    sluice__registry_hash_free(registry, section, sizeof(*section));
    return sluice_fail(err, UV_ENOMEM, "no memory for section '%s'", name);
  }
  insert_by_priority(registry, section);
  registry->count++;
  registry->aliased += section->options.aliases != NULL ? 1 : 0;
  if (out_section != NULL) {
    *out_section = section;
  }
  return 0;
}

sluice_section_t *sluice__registry_find(sluice_registry_t *registry,
                                        const char *name, uint32_t instance) {
  sluice_section_t *found = NULL;
  sluice_section_t probe;
  size_t len = strlen(name);

  if (len > SLUICE_NAME_MAX) {
    return NULL;
  }
  memset(&probe.key, 0, sizeof(probe.key));
  probe.key.instance = instance;
  memcpy(probe.key.name, name, len);
  HASH_FIND(hh, registry->by_key, &probe.key, key_len(name), found);
  return found;
}

static bool has_alias(const sluice_section_t *section, const char *name) {
  const char *const *at = section->options.aliases;

  while (at != NULL && *at != NULL && strcmp(*at, name) != 0) {
    at++;
  }
  return at != NULL && *at != NULL;
}

sluice_section_t *sluice__registry_resolve(sluice_registry_t *registry,
                                           const char *name,
                                           uint32_t instance) {
  sluice_section_t *found = sluice__registry_find(registry, name, instance);

  if (found != NULL || registry->aliased == 0) {
    return found;
  }
  for (sluice_section_t *at = registry->first; at != NULL; at = at->next) {
    if (at->options.instance == instance && has_alias(at, name)) {
      return at;
    }
  }
  return NULL;
}

static void unlink_section(sluice_registry_t *registry,
                           sluice_section_t *section) {
  sluice_section_t **at = &registry->first;
  sluice_section_t *before = NULL;

  while (*at != section) {
    before = *at;
    at = &(*at)->next;
  }
  *at = section->next;
  if (registry->last == section) {
    registry->last = before;
  }
}

/* The handler may be gone once it has been told. */
static void free_section(sluice_registry_t *registry,
                         sluice_section_t *section) {
  const sluice_handler_t *handler = section->handler;
  void *self = section->self;

  sluice__soundness_drop(section->soundness);
  sluice__registry_hash_free(registry, section, sizeof(*section));
  if (handler->removed != NULL) {
    handler->removed(self);
  }
}

int sluice_registry_remove(sluice_registry_t *registry, const char *name,
                           uint32_t instance) {
  sluice_section_t *section;

  if (registry == NULL || name == NULL) {
    return UV_EINVAL;
  }
  if (registry->user != NULL) {
    return UV_EBUSY;
  }
  section = sluice__registry_find(registry, name, instance);
  if (section == NULL) {
    return UV_ENOENT;
  }
  HASH_DELETE(hh, registry->by_key, section);
  unlink_section(registry, section);
  registry->count--;
  registry->aliased -= section->options.aliases != NULL ? 1 : 0;
  free_section(registry, section);
  return 0;
}

int sluice_registry_free(sluice_registry_t *registry) {
  sluice_alloc_t alloc;

  if (registry == NULL) {
    return 0;
  }
  if (registry->user != NULL) {
    return UV_EBUSY;
  }
  HASH_CLEAR(hh, registry->by_key);
  while (registry->first != NULL) {
    sluice_section_t *section = registry->first;

    registry->first = section->next;
    free_section(registry, section);
  }
  alloc = registry->alloc;
  alloc.release(alloc.ctx, registry, sizeof(*registry), _Alignof(max_align_t));
  return 0;
}

int sluice_registry_is_busy(const sluice_registry_t *registry) {
  return registry != NULL && registry->user != NULL;
}

uint32_t sluice_registry_count(const sluice_registry_t *registry) {
  return registry == NULL ? 0 : registry->count;
}

int sluice__registry_acquire(sluice_registry_t *registry, void *session) {
  if (registry->user != NULL) {
    return UV_EBUSY;
  }
  if (registry->count == 0) {
    return UV_EINVAL;
  }
  registry->user = session;
  return 0;
}

void sluice__registry_free_stashes(sluice_registry_t *registry,
                                   sluice__mem_t *mem) {
  for (sluice_section_t *at = registry->first; at != NULL; at = at->next) {
    sluice__stash_free(mem, &at->stash);
  }
}

void sluice__registry_release(sluice_registry_t *registry) {
  registry->user = NULL;
}
