/* The end of a guest's process: what is kept, and what is written. */
#include <xemu/ending.h>

#include <xemu/explain.h>
#include <xemu/flame.h>
#include <xemu/jit.h>
#include <xemu/options.h>
#include <xemu/report.h>

#include <stdatomic.h>
#include <unistd.h>

bool ending_writes(void)
{
    return options.stats != STATS_NONE || options.report != STATS_NONE || explain_on() || flame_on();
}

void ending_write(void)
{
    static _Atomic int ending; /* the process in which a thread has come here */
    static _Atomic bool written;
    int self = getpid(), before = atomic_load(&ending);
    if (before == self || !atomic_compare_exchange_strong(&ending, &before, self)) {
        while (!atomic_load(&written))
            usleep(1000);
        return;
    }
    jit_save();
    jit_report();
    report_write();
    explain_write();
    flame_write();
    atomic_store(&written, true);
}
