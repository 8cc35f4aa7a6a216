/* xemu's own malloc(3), calloc, realloc, free, aligned_alloc and their kin, in the C library's place: its
 * locks can only be taken by its own fork(), and a guest's clone() may ask for what fork() can't do. */
#ifndef XEMU_HEAP_H
#define XEMU_HEAP_H

/* Around a fork, in the thread that forks, in the parent and in the child: meanwhile nobody is halfway
 * through an allocation, so that the child can go on allocating. The thread itself must not allocate between
 * the two. With address or thread sanitizer the heap is theirs and these do nothing. */
void heap_fork_prepare(void);
void heap_fork_done(void);

#endif
