/* results.c - what a step answers has a name in each layer: the queue knows no
 * handlers and the decoder no queue. Here they are held together, so that one
 * may be returned as another. */
#include <sluice/handler.h>

#include "queue.h"
#include "stream/native/decode.h"

_Static_assert((int)SLUICE__DONE == (int)SLUICE_DONE, "results agree");
_Static_assert((int)SLUICE__MORE == (int)SLUICE_MORE, "results agree");
_Static_assert((int)SLUICE__WAIT == (int)SLUICE_WAIT, "results agree");

_Static_assert((int)SLUICE__WHOLE == (int)SLUICE_DONE, "results agree");
_Static_assert((int)SLUICE__ITEM == (int)SLUICE_MORE, "results agree");
_Static_assert((int)SLUICE__STARVED == (int)SLUICE_WAIT, "results agree");
