/* results.c - what a step answers has a name in each layer: the queue knows no
 * handlers. Here they are held together, so that one may be returned as
 * another; the decoder's are in stream/decoder.c. */
#include <sluice/handler.h>

#include "queue.h"

_Static_assert((int)SLUICE__DONE == (int)SLUICE_DONE, "results agree");
_Static_assert((int)SLUICE__MORE == (int)SLUICE_MORE, "results agree");
_Static_assert((int)SLUICE__WAIT == (int)SLUICE_WAIT, "results agree");
