/* The heap: free lists of power-of-two and intermediate sizes under one lock; large pieces are mappings of
 * their own. Meant for what xemu allocates: little at a time, seldom. Code, tables and stacks are mapped
 * elsewhere. */
#include <xemu/heap.h>
#include <xemu/own.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

void heap_fork_prepare(void) {}
void heap_fork_done(void) {}

#else

enum {
    PAGE = 4096,
    UNIT = 16,          /* least alignment, and size of a header */
    LEAST = 32,         /* least size of a piece with its header, bytes */
    CLASSES = 23,       /* 32, 48, 64, 96, ... 65536 */
    LARGEST = 64 << 10, /* beyond this a piece is a mapping */
    SLAB = 256 << 10,   /* what is taken from the kernel at a time */
    MAPPED = CLASSES,   /* header.class of a mapping */
};

/* Directly before what the caller gets. */
struct header {
    uint64_t room;   /* bytes that the caller may use */
    uint32_t before; /* bytes from the piece's begin to the caller's */
    uint32_t class;
};
struct piece {
    struct piece *next;
};
_Static_assert(sizeof(struct header) == UNIT, "alignment");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *free_pieces[CLASSES];
static char *slab, *slab_end;

static size_t class_size(unsigned class)
{
    size_t power = (size_t)LEAST << class / 2;
    return class % 2 ? power + power / 2 : power;
}

static unsigned class_of(size_t bytes)
{
    if (bytes <= LEAST)
        return 0;
    unsigned log = 63 - (unsigned)__builtin_clzll(bytes - 1); /* bytes is in (2^log, 2^(log+1)] */
    size_t half = (size_t)3 << (log - 1);
    return (log - 5) * 2 + (bytes <= half ? 1 : 2);
}

static void *map(size_t bytes)
{
    return own_map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* The caller holds the lock. What remains of the old slab is lost: less than a piece. */
static void *carve(size_t bytes)
{
    if (!slab || (size_t)(slab_end - slab) < bytes) {
        slab = map(SLAB);
        if (!slab)
            return NULL;
        slab_end = slab + SLAB;
    }
    void *at = slab;
    slab += bytes;
    return at;
}

static void *take(unsigned class)
{
    pthread_mutex_lock(&lock);
    struct piece *piece = free_pieces[class];
    if (piece)
        free_pieces[class] = piece->next;
    else
        piece = carve(class_size(class));
    pthread_mutex_unlock(&lock);
    return piece;
}

static struct header *header_of(void *at) { return (struct header *)at - 1; }

static void *allocate(size_t bytes, size_t alignment)
{
    size_t lead = alignment > UNIT ? alignment : UNIT, total = bytes + lead;
    if (total < bytes || total > PTRDIFF_MAX - PAGE) {
        errno = ENOMEM;
        return NULL;
    }
    unsigned class = total > LARGEST ? MAPPED : class_of(total);
    size_t size = class == MAPPED ? (total + PAGE - 1) & ~(size_t)(PAGE - 1) : class_size(class);
    char *piece = class == MAPPED ? map(size) : take(class);
    if (!piece) {
        errno = ENOMEM;
        return NULL;
    }
    char *at = (char *)(((uintptr_t)piece + UNIT + lead - 1) & ~(uintptr_t)(lead - 1));
    *header_of(at) = (struct header){size - (size_t)(at - piece), (uint32_t)(at - piece), class};
    return at;
}

/* ---- malloc(3) and its kin ---- */

void *malloc(size_t bytes) { return allocate(bytes, UNIT); }

void free(void *at)
{
    if (!at)
        return;
    struct header *header = header_of(at);
    struct piece *piece = (struct piece *)((char *)at - header->before);
    if (header->class == MAPPED) {
        int error = errno;
        munmap(piece, header->room + header->before);
        errno = error;
        return;
    }
    unsigned class = header->class;
    pthread_mutex_lock(&lock);
    piece->next = free_pieces[class];
    free_pieces[class] = piece;
    pthread_mutex_unlock(&lock);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *at = allocate(bytes, UNIT);
    if (at && header_of(at)->class != MAPPED)
        memset(at, 0, bytes);
    return at;
}

static void *remap(void *at, size_t bytes)
{
    struct header *header = header_of(at);
    size_t before = header->before, size = (bytes + before + PAGE - 1) & ~(size_t)(PAGE - 1);
    char *moved = mremap((char *)at - before, header->room + before, size, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        return NULL;
    header_of(moved + before)->room = size - before;
    return moved + before;
}

void *realloc(void *at, size_t bytes)
{
    if (!at)
        return malloc(bytes);
    struct header *header = header_of(at);
    if (bytes <= header->room && (bytes >= header->room / 4 || header->room <= 4 * LEAST))
        return at;
    if (header->class == MAPPED && header->before == UNIT && bytes > LARGEST &&
        bytes < PTRDIFF_MAX - 2 * PAGE)
        return remap(at, bytes);
    void *moved = malloc(bytes);
    if (moved) {
        memcpy(moved, at, bytes < header->room ? bytes : header->room);
        free(at);
    }
    return moved;
}

static int is_power(size_t n) { return n && !(n & (n - 1)); }

void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (!is_power(alignment) || alignment > UINT32_MAX / 2) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(bytes, alignment);
}
void *memalign(size_t alignment, size_t bytes) { return aligned_alloc(alignment, bytes); }
void *valloc(size_t bytes) { return aligned_alloc(PAGE, bytes); }
void *pvalloc(size_t bytes) { return aligned_alloc(PAGE, (bytes + PAGE - 1) & ~(size_t)(PAGE - 1)); }

int posix_memalign(void **result, size_t alignment, size_t bytes)
{
    if (!is_power(alignment) || alignment % sizeof(void *) || alignment > UINT32_MAX / 2)
        return EINVAL;
    int error = errno;
    void *at = allocate(bytes, alignment);
    errno = error;
    if (!at)
        return ENOMEM;
    *result = at;
    return 0;
}

size_t malloc_usable_size(void *at) { return at ? header_of(at)->room : 0; }

/* ---- fork ---- */

void heap_fork_prepare(void) { pthread_mutex_lock(&lock); }
void heap_fork_done(void) { pthread_mutex_unlock(&lock); }

#endif
