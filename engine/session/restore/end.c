/* end.c - how a restore ends: one path for success, failure, cancel. */
#include "session/restore/restore.h"

#include "io/source.h"

void sluice__restore_end_sections(sluice_restore_t *restore, int status) {
  for (sluice_section_t *at = restore->session.registry->first; at != NULL;
       at = at->next) {
    sluice__section_stage_t stage = at->stage;

    sluice__stash_free(&restore->session.mem, &at->stash);
    at->session = NULL;
    at->load = NULL;
    at->stage = SLUICE__SECTION_IDLE;
    if (stage != SLUICE__SECTION_IDLE && stage != SLUICE__SECTION_PRIMED) {
      at->handler->restore_end(at->self, status);
    }
  }
}

void sluice__restore_fail(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  sluice__postcopy_drop(&restore->map.postcopy); /* before its memory goes */
  sluice__restore_end_sections(restore, s->error.code);
  restore->input->ops->cancel(restore->input);
  sluice__file_job_cancel(&restore->file.job);
}

static bool is_busy(const sluice_restore_t *restore) {
  return restore->input->ops->is_busy(restore->input) ||
         restore->file.job.is_busy ||
         sluice__postcopy_is_busy(&restore->map.postcopy);
}

static bool goes_on(const sluice_restore_t *restore) {
  return restore->session.error.code == 0 &&
         sluice__postcommit_is_wanted(&restore->options);
}

/* What stays is the source: the file's descriptor is its. */
static void free_memory(sluice_restore_t *restore) {
  sluice_decoder_free(restore->decoder);
  restore->decoder = NULL;
  sluice__image_file_close(&restore->file);
  if (restore->is_mapped) {
    sluice__map_close(&restore->map);
    restore->image.input.ops->close(&restore->image.input);
    restore->input = &restore->stream.input;
  }
}

bool sluice__restore_settle(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  restore->input->ops->cancel(restore->input); /* a prefetch that is late */
  if (is_busy(restore)) {
    return false; /* a callback wakes the turn */
  }
  free_memory(restore);
  if (!goes_on(restore)) {
    restore->input->ops->close(restore->input);
  }
  return true;
}

void sluice__restore_free_struct(sluice_restore_t *restore) {
  sluice_alloc_t a = restore->alloc;

  sluice__sound_list_close(&restore->sound);
  a.release(a.ctx, restore, sizeof(*restore), _Alignof(max_align_t));
}

void sluice__restore_free(sluice_restore_t *restore) {
  sluice__region_names_close(&restore->map.postcopy.names);
  sluice__postcommit_close(&restore->postcommit);
  sluice__session_done(&restore->session);
  sluice__restore_free_struct(restore);
}

static void begin_postcommit(sluice_restore_t *restore) {
  sluice__postcopy_t *postcopy = &restore->map.postcopy;

  restore->postcommit = (sluice__postcommit_t){
      .restore = restore,
      .free = sluice__restore_free,
      .options = &restore->options,
      .stats = &restore->stats,
      .session = &restore->session,
      .source = sluice__input_stream_release(&restore->stream),
      .demand = sluice__postcopy_take(postcopy),
      .names = postcopy->names,
      .sound = &restore->sound,
      .fd = restore->is_mapped ? restore->file.probe.fd : -1};
  postcopy->names = (sluice__region_names_t){0};
  sluice__postcommit_begin(&restore->postcommit);
}

void sluice__restore_deliver(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  if (goes_on(restore)) {
    begin_postcommit(restore);
    restore->cb(restore, 0); /* it may be cancelled, but not freed here */
    sluice__postcommit_go_on(&restore->postcommit);
    return;
  }
  restore->cb(restore, s->error.code); /* last touch: it may be freed here */
}

void sluice__restore_abandon(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  sluice__postcopy_abandon(&restore->map.postcopy);
  sluice__registry_free_stashes(s->registry, &s->mem);
  free_memory(restore);
  sluice__source_abandon(sluice__input_stream_release(&restore->stream));
  sluice__session_done(s);
  sluice__restore_free_struct(restore);
}
