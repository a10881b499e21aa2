/* estate_clients.h - the section of listeners and connections; for estate.c. */
#ifndef KVD_ESTATE_CLIENTS_H
#define KVD_ESTATE_CLIENTS_H

#include "estate.h"

int estate_add_clients(estate_t *e, sluice_error_t *err);
void estate_drop_items(estate_t *e);

#endif
