/* own.h - who owns what in a structure, and in its shadow.
 *
 * A shadow begins as a copy of its structure, owned pointers included; loading
 * replaces pointers by new memory. So at any time a pointer that differs from
 * the structure's own is the shadow's, and one that is equal is not: no list of
 * what was loaded is needed to commit or to throw away. Memory is malloc()'s.
 */
#ifndef SLUICE_FIELDS_OWN_H
#define SLUICE_FIELDS_OWN_H

#include "fields/table.h"

/* Frees what `shadow` has of its own; `live` NULL: all of it, it stands for no
 * structure. Not the shadow itself. */
void sluice__own_discard(const sluice_table_t *table, void *shadow,
                         const void *live);

/* Moves the fields of `shadow` to `live`. Lists are left out: they are staged
 * elsewhere. What the shadow has afterwards is not its own. */
void sluice__own_commit(const sluice_table_t *table, void *live, void *shadow);

/* Puts `p` into the shadow's field and frees what it had there of its own. */
void sluice__own_replace(const sluice_field_t *f, void *shadow,
                         const void *live, void *p);

/* Frees an element that was made for a list and not added. */
void sluice__own_drop(const sluice_field_t *list, void *element);

/* Calls the `loaded` hooks, inner structures first. */
void sluice__own_tell(const sluice_table_t *table, void *structure);

#endif
