/* hooks.h - the hooks of handler.h, as ram.c puts them into its table.
 *
 * Saving: ram_save.c; restoring: ram_restore.c. */
#ifndef SLUICE_RAM_HOOKS_H
#define SLUICE_RAM_HOOKS_H

#include <stdint.h>

#include <sluice/handler.h>

uint64_t sluice__ram_save_pending(void *self);
int sluice__ram_save_begin(void *self, sluice_section_t *section,
                           sluice_error_t *err);
int sluice__ram_save_can_cut(void *self, sluice_error_t *err);
int sluice__ram_save_arm(void *self, sluice_error_t *err);
int sluice__ram_save_cut(void *self, sluice_error_t *err);
int sluice__ram_save_start(void *self, sluice_writer_t *w, sluice_error_t *err);
int sluice__ram_save_step(void *self, sluice_writer_t *w, sluice_error_t *err);
void sluice__ram_save_returned(void *self, uint64_t pages);
int sluice__ram_save_finish(void *self, sluice_writer_t *w,
                            sluice_error_t *err);
int sluice__ram_save_release(void *self);
void sluice__ram_save_end(void *self, int status);

int sluice__ram_restore_begin(void *self, sluice_section_t *section,
                              uint32_t version, sluice_error_t *err);
int sluice__ram_restore_step(void *self, sluice_reader_t *r,
                             sluice_error_t *err);
int sluice__ram_restore_map(void *self, const sluice_extent_t *extent,
                            sluice_error_t *err);
int sluice__ram_restore_unmappable(void *self);
uint8_t *sluice__ram_restore_place(void *self, const sluice_run_t *run);
void *sluice__ram_restore_late_place(void *self, const sluice_extent_t *extent);
int sluice__ram_restore_check(void *self, sluice_error_t *err);
void sluice__ram_restore_commit(void *self);
void sluice__ram_restore_end(void *self, int status);

#endif
