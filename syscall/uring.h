/* io_uring's requests, as the guest writes them and as the host's kernel reads them. */
#ifndef SYSCALL_URING_H
#define SYSCALL_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What memory.c and thread.c must tell: the guest has mapped a file; around fork. */
void uring_mapped(int fd, uint64_t offset, uint64_t addr);
void uring_fork_prepare(void);
void uring_fork_done(bool child);

/* Operations up to Linux 6.18's. What comes later isn't there, as on that kernel. */
enum { URING_OPS = 63 };
bool uring_op_supported(unsigned op);

/* What is replaced in requests until they are submitted. */
struct change {
    uint64_t at; /* aligned to its size */
    unsigned bytes;
    uint64_t old, new;
};

struct held {
    struct held *next;
    char bytes[] __attribute__((aligned(8)));
};

struct batch {
    struct change *changes;
    size_t count, room;
    struct held *held; /* what replaced pointers point to: the kernel copies it at submission */
    int error;
};

/* Adds what is to be replaced in the request at `at`, of which *request is a copy. */
struct io_uring_sqe;
void batch_convert(struct batch *batch, const struct io_uring_sqe *request, uint64_t at);

/* Replaces all: 0, -EFAULT, or the batch's error; puts all back. */
int batch_replace(struct batch *batch);
void batch_put_back(struct batch *batch);
void batch_free(struct batch *batch);

#endif
