/* System calls from compiled code: what the cache has to say about them (include/xemu/direct.h). */
#include "cache.h"

#include <xemu/sys.h>

#include <stddef.h>

struct direct_call cache_direct_call(void)
{
    struct direct_call direct = sys_direct();
    direct.reading = offsetof(struct jit, reading);
    direct.seen_epoch = offsetof(struct jit, epoch);
    direct.epoch = &cache.epoch;
    return direct;
}

void cache_made_call_place(void)
{
    const struct call_place *made = &cache.stubs.call_place;
    sys_direct_made((struct call_place){
        made->check + cache.to_execute,
        made->insn + cache.to_execute,
        made->restart + cache.to_execute,
        made->done + cache.to_execute,
    });
}
