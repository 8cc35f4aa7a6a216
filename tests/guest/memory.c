// dynamic
/* mmap and friends, brk that really grows, malloc in all sizes, deep recursion. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* C leaves open in which order arguments are evaluated: a call and its errno need a statement each. */
static void result(const char *what, long value)
{
    printf("%s %ld %s\n", what, value, value < 0 ? strerror(errno) : "");
}

static unsigned long checksum = 1;

static void mix(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        checksum = checksum * 31 + ((const unsigned char *)data)[i];
}

static int deep(int n)
{
    volatile char room[1000];
    room[n % 1000] = n;
    return n ? deep(n - 1) + room[n % 1000] % 2 : 0;
}

static void mappings(void)
{
    char *a = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(a + 20000, "kept");
    char *b = mremap(a, 65536, 1 << 20, MREMAP_MAYMOVE);
    printf("mremap: %s, %d\n", b + 20000, b[1 << 19]);
    result("munmap in the middle", munmap(b + 8192, 4096));
    result("unaligned", munmap(b + 1, 4096));
    char *c = mmap(b + 8192, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("fixed in the hole %d\n", c == b + 8192);
    result("no replacement", (long)mmap(b, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    result("mprotect", mprotect(b, 4096, PROT_READ));
    result("mprotect of nothing", mprotect((void *)4096, 4096, PROT_READ));
    int fd = open("mapped", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 10000);
    char *shared = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    strcpy(shared + 5000, "through the file");
    printf("private sees %s\n", private + 5000 - 4096);
    private[5000 - 4096] = 'T';
    char text[20] = "";
    pread(fd, text, 16, 5000);
    printf("file has %s\n", text);
    result("msync", msync(shared, 10000, MS_SYNC));
    result("bad length", (long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    result("bad offset", (long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 100));
    unsigned char resident[4] = {0};
    printf("mincore %d, madvise %d\n", mincore(b, 16384, resident), madvise(b, 4096, MADV_DONTNEED));
}

static void heap(void)
{
    char *start = sbrk(0);
    int grown = 0;
    for (int i = 0; i < 64; i++) {
        char *piece = sbrk(1 << 20);
        if (piece == (void *)-1)
            break;
        piece[0] = piece[(1 << 20) - 1] = i;
        grown++;
    }
    printf("sbrk grew %d times, contiguous %d\n", grown, (char *)sbrk(0) - start == (long)grown << 20);
    printf("back %d\n", brk(start));
    printf("zeroed again %d\n", *(char *)sbrk(4096) == 0);
}

static void allocations(void)
{
    char *pieces[500] = {0};
    unsigned seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned slot = seed >> 8 & 0xff, size = seed >> 16 & 0x3fff;
        if (seed >> 30 == 3)
            size *= 64;
        pieces[slot] = realloc(pieces[slot], size + 1);
        memset(pieces[slot], i, size + 1);
        if (i % 100 == 0)
            mix(pieces[slot], size < 64 ? size : 64);
    }
    printf("checksum %lx\n", checksum);
    void *aligned;
    printf("aligned %d %d\n", posix_memalign(&aligned, 65536, 100), (int)((uintptr_t)aligned % 65536));
}

int main(void)
{
    mappings();
    heap();
    allocations();
    printf("deep %d\n", deep(5000) > 0);
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    printf("stack limit %lu\n", (unsigned long)limit.rlim_cur);
}
