/* restore.c - begins, cancels and frees a restore, and answers questions.
 *
 * Whatever begin takes it gives back when it fails. */
#include "session/restore/restore.h"

#include <string.h>
#include <uv.h>

#include <sluice/options.h>

#include "error.h"
#include "io/source.h"

#define MEMORY_DEFAULT ((size_t)256 * 1024 * 1024)

static void tell(sluice__session_t *s, const sluice_progress_t *p) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  restore->options.progress(restore, p);
}

static uint64_t get_own_ns(const sluice__session_t *s) {
  const sluice_restore_t *restore = (const sluice_restore_t *)s;

  return sluice__source_busy_ns(restore->stream.source);
}

static const sluice__session_ops_t restore_ops = {
    .run = sluice__restore_run,
    .fail = sluice__restore_fail,
    .settle = sluice__restore_settle,
    .deliver = sluice__restore_deliver,
    .abandon = sluice__restore_abandon,
    .own_ns = get_own_ns,
    .tell = tell,
};

static int check_sections(const sluice_registry_t *registry,
                          sluice_error_t *err) {
  for (const sluice_section_t *s = registry->first; s != NULL; s = s->next) {
    if (s->handler->restore_begin == NULL) {
      return sluice_fail(err, UV_EINVAL,
                         "the handler of section '%s' cannot restore",
                         sluice__section_name(s));
    }
  }
  return 0;
}

static int open_session(sluice_restore_t *restore, sluice_engine_t *engine,
                        sluice_registry_t *registry) {
  const sluice_restore_options_t *o = &restore->options;
  sluice__session_config_t config = {
      .ops = &restore_ops,
      .engine = engine,
      .registry = registry,
      .alloc = o->alloc,
      .max_memory = o->max_memory != 0 ? o->max_memory : MEMORY_DEFAULT,
      .weight = o->weight,
      .bandwidth = o->bandwidth,
      .stall_ms = o->stall_ms,
      .max_idle_steps = o->max_idle_steps,
      .wants_ticks = o->progress != NULL,
      .data = o->data,
  };

  return sluice__session_init(&restore->session, &config);
}

static int open_parts(sluice_restore_t *restore, sluice_engine_t *engine,
                      sluice_registry_t *registry, sluice_source_t *source) {
  sluice_decoder_options_t d = {
      .size = sizeof(d),
      .format = restore->options.format,
      .page_size = restore->options.page_size,
      .max_memory = restore->options.max_memory,
      .may_stay_open = sluice__source_stays_open(source),
  };
  int r = open_session(restore, engine, registry);

  if (r < 0) {
    return r;
  }
  r = sluice_decoder_new(&restore->decoder, &d, &restore->session.mem_alloc);
  if (r < 0) {
    r = sluice__mem_explain(&restore->session.mem, r);
    sluice__session_undo(&restore->session);
  }
  return r;
}

/* ---- what the parts need of it ---- */

static void wire_load(sluice_restore_t *restore) {
  sluice__restore_load_t *load = &restore->load;

  load->session = &restore->session;
  load->decoder = restore->decoder;
  load->host = restore->options.host;
  load->unmapped = &restore->stats.sections_unmapped;
  sluice__restore_load_prime(load);
}

static void wire_input(sluice_restore_t *restore, sluice_source_t *source) {
  const sluice__input_t input = {.came = sluice__restore_on_input,
                                 .again = sluice__restore_wake,
                                 .ctx = restore};

  restore->stream.input = input;
  restore->stream.source = source;
  restore->stream.decoder = restore->decoder;
  sluice__input_stream_init(&restore->stream, sluice__restore_load_place,
                            &restore->load);
  restore->input = &restore->stream.input;
  restore->image.input = input;
  restore->image.file = &restore->file;
  restore->image.decoder = restore->decoder;
  restore->image.mem = &restore->session.mem;
}

static void wire_map(sluice_restore_t *restore) {
  const sluice_restore_options_t *o = &restore->options;
  uv_loop_t *loop = restore->session.engine->pump.loop;
  sluice__image_file_t *file = &restore->file;
  sluice__map_t *map = &restore->map;

  file->job.loop = loop;
  file->job.done = sluice__restore_wake;
  file->job.ctx = restore;
  file->probe.max_mappings = o->max_mappings;
  file->probe.may_page = o->filled != NULL;
  file->probe.may_fragment = o->must_map != 0;
  map->session = &restore->session;
  map->file = file;
  map->stats = &restore->stats;
  map->max_mappings = o->max_mappings;
  if (o->way != SLUICE_RESTORE_VERIFY_MAPPED) {
    map->sound = &restore->sound;
  }
  map->postcopy.loop = loop;
  map->postcopy.is_wanted = o->filled != NULL;
  map->postcopy.gone = sluice__restore_wake;
  map->postcopy.ctx = restore;
  map->postcopy.names.mem = &restore->session.mem;
}

static void wire(sluice_restore_t *restore, sluice_source_t *source) {
  wire_load(restore);
  wire_input(restore, source);
  wire_map(restore);
}

/* ---- life ---- */

static int check_way(const sluice_restore_options_t *o, sluice_error_t *err) {
  switch (o->way) {
  case SLUICE_RESTORE_EAGER:
  case SLUICE_RESTORE_MAPPED:
  case SLUICE_RESTORE_VERIFY_MAPPED: return 0;
  case SLUICE_RESTORE_MAPPED_VERIFY:
    return o->verified != NULL
               ? 0
               : sluice_fail(err, UV_EINVAL, "MAPPED_VERIFY needs `verified`");
  }
  return sluice_fail(err, UV_EINVAL, "no such way: %d", (int)o->way);
}

/* Of what the host gave; nothing is taken. */
static int take_options(sluice_restore_options_t *o,
                        const sluice_restore_options_t *given,
                        const sluice_registry_t *registry,
                        sluice_error_t *err) {
  int r = SLUICE_OPTIONS_COPY(o, given, "restore options",
                              sluice_restore_options_t, filled, err);

  if (r == 0) {
    r = sluice__session_check_weight(o->weight, err);
  }
  if (r == 0) {
    r = check_sections(registry, err);
  }
  return r < 0 ? r : check_way(o, err);
}

static sluice_restore_t *new_restore(sluice_engine_t *engine,
                                     const sluice_restore_options_t *o,
                                     sluice_restore_cb cb) {
  const sluice_alloc_t *a = &engine->alloc;
  sluice_restore_t *restore =
      a->alloc(a->ctx, sizeof(*restore), _Alignof(max_align_t));

  if (restore != NULL) {
    memset(restore, 0, sizeof(*restore));
    restore->alloc = *a;
    restore->cb = cb;
    restore->options = *o;
    restore->stats.way = o->way;
  }
  return restore;
}

static void start(sluice_restore_t *restore, sluice_source_t *source) {
  restore->session.phase = SLUICE_PHASE_BEGIN;
  wire(restore, source);
  sluice__session_start(&restore->session);
}

int sluice_restore_begin(sluice_restore_t **out, sluice_engine_t *engine,
                         sluice_registry_t *registry, sluice_source_t *source,
                         const sluice_restore_options_t *options,
                         sluice_restore_cb cb, sluice_error_t *err) {
  sluice_restore_options_t o;
  sluice_restore_t *restore;
  int r;

  sluice__error_clear(err);
  if (out == NULL || source == NULL) {
    return sluice_fail(err, UV_EINVAL, "there is no %s",
                       out == NULL ? "place for the restore" : "source");
  }
  r = sluice__source_take(source);
  if (r < 0) {
    return sluice_fail(err, r, "the source is another restore's");
  }
  r = sluice__session_check(engine, registry, cb != NULL, err);
  if (r == 0) {
    SLUICE__ASSERT_ON_LOOP(engine);
    r = take_options(&o, options, registry, err);
  }
  if (r < 0) {
    sluice__source_give_back(source);
    return r;
  }
  restore = new_restore(engine, &o, cb);
  if (restore == NULL) {
    sluice__source_give_back(source);
    return sluice_fail(err, UV_ENOMEM, "no memory for a restore");
  }
  r = open_parts(restore, engine, registry, source);
  if (r < 0) {
    sluice__source_give_back(source);
    sluice__restore_free_struct(restore);
    return sluice_fail(err, r, "the restore cannot begin: %s",
                       sluice_strerror(r));
  }
  start(restore, source);
  *out = restore;
  return 0;
}

void sluice_restore_commit(sluice_restore_t *restore) {
  if (restore != NULL && restore->state == SLUICE__RESTORE_CHECKED) {
    SLUICE__ASSERT_ON_SESSION_LOOP(&restore->session);
    restore->may_commit = true;
    sluice__session_wake(&restore->session);
  }
}

void sluice_restore_cancel(sluice_restore_t *restore) {
  if (restore == NULL) {
    return;
  }
  SLUICE__ASSERT_ON_SESSION_LOOP(&restore->session);
  if (restore->session.state != SLUICE__SESSION_OVER) {
    sluice__session_cancel(&restore->session);
  } else if (restore->postcommit.is_owed) {
    sluice__postcommit_cancel(&restore->postcommit);
  }
}

int sluice_restore_free(sluice_restore_t *restore) {
  if (restore == NULL) {
    return 0;
  }
  if (restore->session.state != SLUICE__SESSION_OVER ||
      restore->postcommit.is_owed) {
    return UV_EBUSY;
  }
  sluice__restore_free(restore);
  return 0;
}

void *sluice_restore_data(const sluice_restore_t *restore) {
  return restore == NULL ? NULL : restore->session.data;
}

static const sluice__session_t *current(const sluice_restore_t *restore) {
  return restore->postcommit.is_begun
             ? sluice__postcommit_current(&restore->postcommit)
             : &restore->session;
}

void sluice_restore_progress(const sluice_restore_t *restore,
                             sluice_progress_t *out, size_t size) {
  sluice_progress_t p = {0};

  if (restore != NULL) {
    sluice__session_progress(current(restore), &p);
  }
  sluice_result_copy(out, size, &p, sizeof(p));
}

static void get_stats(const sluice_restore_t *restore,
                      sluice_restore_stats_t *out) {
  *out = restore->stats;
  sluice__postcopy_stats(&restore->map.postcopy, out);
  sluice__postcommit_stats(&restore->postcommit, out);
  sluice__sound_list_stats(&restore->sound, out);
}

void sluice_restore_stats(const sluice_restore_t *restore,
                          sluice_restore_stats_t *out, size_t size) {
  sluice_restore_stats_t stats = {0};

  if (restore != NULL) {
    get_stats(restore, &stats);
  }
  sluice_result_copy(out, size, &stats, sizeof(stats));
}

const sluice_error_t *sluice_restore_error(const sluice_restore_t *restore) {
  const sluice__session_t *s;

  if (restore == NULL) {
    return NULL;
  }
  s = current(restore);
  /* Until it is verified: of lost pages, if of anything. */
  return restore->postcommit.is_owed && s->error.code == 0
             ? &restore->session.error
             : &s->error;
}
