/* Listeners of seccomp (SECCOMP_RET_USER_NOTIF): another process answers system calls. */
#ifndef SYSCALL_SECCOMP_LISTENER_H
#define SYSCALL_SECCOMP_LISTENER_H

#include <linux/seccomp.h>
#include <stdint.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1ul << 5)
#endif
#define LISTENER_FLAGS (SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

/* A listener for this thread, or for all (SECCOMP_FILTER_FLAG_TSYNC): its descriptor, -errno or
 * RESULT_RESTART. */
int64_t listener_new(uint64_t flags);

/* Asks about the guest's call. Its result, RESULT_RESTART, or LISTENER_CONTINUES: it is to be made. */
int64_t listener_ask(uint32_t number, const uint64_t args[6]);
#define LISTENER_CONTINUES (-0x40000000)

#endif
