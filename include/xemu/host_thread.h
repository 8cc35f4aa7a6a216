/* Threads of the host. */
#ifndef XEMU_HOST_THREAD_H
#define XEMU_HOST_THREAD_H

#include <pthread.h>

/* pthread_create(), which leaves all signals what they are: they are the guest's. */
int host_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *), void *arg);

#endif
