// Runs a static ARM64 program by the recompiler dynarmic, which has no system calls of its own: as many as the lab's
// single-threaded programs need. The guest's addresses are offsets into one reservation, which dynarmic reaches without
// callbacks (fastmem).
#include <dynarmic/interface/A64/a64.h>
#include <dynarmic/interface/exclusive_monitor.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace A64 = Dynarmic::A64;
using A64::VAddr;

namespace {

constexpr size_t SPACE_BITS = 36, SPACE = size_t{1} << SPACE_BITS, PAGE = 4096;
constexpr VAddr STACK_TOP = SPACE - 16 * PAGE, STACK_SIZE = 8 << 20, MAPS_FROM = SPACE / 2;

std::uint8_t *base;

template <typename T> T *host(VAddr at) { return reinterpret_cast<T *>(base + at); }
VAddr page_up(VAddr at) { return (at + PAGE - 1) & ~(PAGE - 1); }

[[noreturn]] void fail(const std::string &why)
{
    std::fprintf(stderr, "dynarmic run: %s\n", why.c_str());
    std::_Exit(125);
}

// --- system calls ---

struct Machine final : A64::UserCallbacks {
    A64::Jit *jit = nullptr;
    VAddr brk = 0, next_map = MAPS_FROM;

    std::int64_t map(VAddr at, std::uint64_t length, std::uint64_t flags)
    {
        if (!(flags & MAP_ANONYMOUS))
            return -ENODEV;
        if (!(flags & MAP_FIXED)) {
            at = next_map;
            next_map += page_up(length) + PAGE;
        }
        if (at + length > STACK_TOP - STACK_SIZE)
            return -ENOMEM;
        void *got = mmap(base + at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        return got == MAP_FAILED ? -errno : static_cast<std::int64_t>(at);
    }

    std::int64_t change_brk(VAddr end)
    {
        if (end > brk && end < MAPS_FROM && map(page_up(brk), page_up(end) - page_up(brk) + PAGE, MAP_ANONYMOUS | MAP_FIXED) < 0)
            return static_cast<std::int64_t>(brk);
        if (end >= brk && end < MAPS_FROM)
            brk = end;
        return static_cast<std::int64_t>(brk);
    }

    std::int64_t write_vector(int fd, VAddr at, std::uint64_t count)
    {
        std::vector<iovec> parts(count);
        for (std::uint64_t i = 0; i < count; i++) {
            const iovec &part = host<iovec>(at)[i];
            parts[i] = {base + reinterpret_cast<VAddr>(part.iov_base), part.iov_len};
        }
        return writev(fd, parts.data(), static_cast<int>(count));
    }

    // What a static C library asks of a terminal or pipe: mode and block size, at their places in ARM64's struct stat.
    std::int64_t file_state(int fd, VAddr at)
    {
        struct stat info;
        if (fstat(fd, &info))
            return -errno;
        std::memset(host<char>(at), 0, 128);
        *host<std::uint32_t>(at + 16) = info.st_mode;
        *host<std::uint32_t>(at + 20) = 1;
        *host<std::int64_t>(at + 48) = info.st_size;
        *host<std::int32_t>(at + 56) = static_cast<std::int32_t>(info.st_blksize);
        return 0;
    }

    static std::int64_t result(std::int64_t value) { return value < 0 ? -errno : value; }

    // The numbers are ARM64's.
    std::int64_t call(std::uint64_t number, const std::uint64_t *x)
    {
        int fd = static_cast<int>(x[0]);
        switch (number) {
        case 29: return -ENOTTY; // ioctl
        case 57: return result(close(fd));
        case 62: return result(lseek(fd, static_cast<off_t>(x[1]), static_cast<int>(x[2])));
        case 63: return result(read(fd, base + x[1], x[2]));
        case 64: return result(write(fd, base + x[1], x[2]));
        case 66: return result(write_vector(fd, x[1], x[2]));
        case 78: return -EINVAL; // readlinkat
        case 79: return *host<char>(x[1]) ? -ENOENT : file_state(fd, x[2]); // newfstatat
        case 80: return file_state(fd, x[1]);
        case 93:
        case 94: std::_Exit(fd);
        case 96: return 1; // set_tid_address
        case 99: return 0; // set_robust_list
        case 98: return 0; // futex: there is one thread
        case 113: return result(clock_gettime(fd, host<timespec>(x[1])));
        case 124: return 0; // sched_yield
        case 134:
        case 135: return 0; // rt_sigaction, rt_sigprocmask: no signal is delivered
        case 172: return result(getpid());
        case 173: return result(syscall(SYS_getppid));
        case 174: return result(getuid());
        case 178: return result(syscall(SYS_gettid));
        case 214: return change_brk(x[0]);
        case 215: return result(madvise(base + x[0], x[1], MADV_DONTNEED));
        case 222: return map(x[0], x[1], x[3]);
        case 226: return 0; // mprotect
        case 233: return 0; // madvise
        case 261: return -ENOSYS; // prlimit64
        case 278: return result(getrandom(base + x[0], x[1], 0));
        default: return -ENOSYS;
        }
    }

    void CallSVC(std::uint32_t) override
    {
        auto x = jit->GetRegisters();
        jit->SetRegister(0, static_cast<std::uint64_t>(call(x[8], x.data())));
    }

    // --- memory: what is not reached directly ---

    template <typename T> T load(VAddr at)
    {
        T value;
        std::memcpy(&value, base + at, sizeof value);
        return value;
    }
    template <typename T> void store(VAddr at, T value) { std::memcpy(base + at, &value, sizeof value); }
    template <typename T> bool swap(VAddr at, T value, T expected)
    {
        return __atomic_compare_exchange_n(host<T>(at), &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }

    std::uint8_t MemoryRead8(VAddr at) override { return load<std::uint8_t>(at); }
    std::uint16_t MemoryRead16(VAddr at) override { return load<std::uint16_t>(at); }
    std::uint32_t MemoryRead32(VAddr at) override { return load<std::uint32_t>(at); }
    std::uint64_t MemoryRead64(VAddr at) override { return load<std::uint64_t>(at); }
    A64::Vector MemoryRead128(VAddr at) override { return load<A64::Vector>(at); }
    void MemoryWrite8(VAddr at, std::uint8_t value) override { store(at, value); }
    void MemoryWrite16(VAddr at, std::uint16_t value) override { store(at, value); }
    void MemoryWrite32(VAddr at, std::uint32_t value) override { store(at, value); }
    void MemoryWrite64(VAddr at, std::uint64_t value) override { store(at, value); }
    void MemoryWrite128(VAddr at, A64::Vector value) override { store(at, value); }
    bool MemoryWriteExclusive8(VAddr at, std::uint8_t v, std::uint8_t e) override { return swap(at, v, e); }
    bool MemoryWriteExclusive16(VAddr at, std::uint16_t v, std::uint16_t e) override { return swap(at, v, e); }
    bool MemoryWriteExclusive32(VAddr at, std::uint32_t v, std::uint32_t e) override { return swap(at, v, e); }
    bool MemoryWriteExclusive64(VAddr at, std::uint64_t v, std::uint64_t e) override { return swap(at, v, e); }

    // --- the rest ---

    void InterpreterFallback(VAddr pc, size_t) override { fail("dynarmic lacks the instruction at " + std::to_string(pc)); }
    void ExceptionRaised(VAddr pc, A64::Exception exception) override
    {
        if (exception < A64::Exception::WaitForInterrupt || exception > A64::Exception::Yield)
            fail("exception " + std::to_string(static_cast<int>(exception)) + " at " + std::to_string(pc));
    }
    void AddTicks(std::uint64_t) override {}
    std::uint64_t GetTicksRemaining() override { return UINT64_MAX / 2; }
    std::uint64_t GetCNTPCT() override { return 0; }
};

// --- start ---

struct Image {
    VAddr entry, headers, end;
    std::uint64_t header_count;
};

Image load_program(const char *path)
{
    Elf64_Ehdr header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header)
        fail(std::string(path) + ": cannot be read");
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_AARCH64 || header.e_type != ET_EXEC)
        fail(std::string(path) + ": not a static ARM64 program for a fixed address");
    Image image{header.e_entry, 0, 0, header.e_phnum};
    for (int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;
        if (pread(fd, &part, sizeof part, static_cast<off_t>(header.e_phoff + i * sizeof part)) != sizeof part)
            fail(std::string(path) + ": is cut off");
        if (part.p_type == PT_INTERP)
            fail(std::string(path) + ": needs shared libraries");
        if (part.p_type != PT_LOAD)
            continue;
        VAddr start = part.p_vaddr & ~(PAGE - 1), end = page_up(part.p_vaddr + part.p_memsz);
        mprotect(base + start, end - start, PROT_READ | PROT_WRITE);
        if (pread(fd, base + part.p_vaddr, part.p_filesz, static_cast<off_t>(part.p_offset)) !=
            static_cast<ssize_t>(part.p_filesz))
            fail(std::string(path) + ": is cut off");
        if (part.p_offset == 0)
            image.headers = part.p_vaddr + header.e_phoff;
        if (end > image.end)
            image.end = end;
    }
    close(fd);
    return image;
}

VAddr push_text(VAddr &sp, const char *text)
{
    sp -= std::strlen(text) + 1;
    std::strcpy(host<char>(sp), text);
    return sp;
}

// argc, argv, an empty environment and the auxiliary vector.
VAddr make_stack(const Image &image, int argc, char **argv)
{
    mprotect(base + STACK_TOP - STACK_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE);
    VAddr sp = STACK_TOP - 64;
    std::vector<std::uint64_t> words{static_cast<std::uint64_t>(argc)};
    for (int i = 0; i < argc; i++)
        words.push_back(push_text(sp, argv[i]));
    sp = (sp & ~VAddr{15}) - 16;
    VAddr random = sp;
    if (getrandom(base + random, 16, 0) != 16)
        fail("no random numbers");
    const std::uint64_t rest[] = {0, 0, AT_PHDR, image.headers, AT_PHENT, sizeof(Elf64_Phdr), AT_PHNUM, image.header_count,
                                  AT_PAGESZ, PAGE, AT_ENTRY, image.entry, AT_UID, 0, AT_EUID, 0, AT_GID, 0, AT_EGID, 0,
                                  AT_SECURE, 0, AT_CLKTCK, 100, AT_HWCAP, 3 /* FP, ASIMD */, AT_RANDOM, random, AT_NULL, 0};
    words.insert(words.end(), std::begin(rest), std::end(rest));
    sp = (sp - words.size() * 8) & ~VAddr{15};
    std::memcpy(base + sp, words.data(), words.size() * 8);
    return sp;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        std::puts("dynarmic version " DYNARMIC_VERSION);
        return 0;
    }
    if (argc < 2)
        fail("run PROGRAM ARGUMENT...");
    void *space = mmap(nullptr, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        fail("no room in the address space");
    base = static_cast<std::uint8_t *>(space);
    Image image = load_program(argv[1]);

    Machine machine;
    Dynarmic::ExclusiveMonitor monitor{1};
    std::uint64_t tpidr = 0, tpidrro = 0;
    A64::UserConfig config{};
    config.callbacks = &machine;
    config.global_monitor = &monitor;
    config.tpidr_el0 = &tpidr;
    config.tpidrro_el0 = &tpidrro;
    config.fastmem_pointer = base;
    config.fastmem_address_space_bits = SPACE_BITS;
    config.silently_mirror_fastmem = false;
    config.enable_cycle_counting = false;
    A64::Jit jit{config};
    machine.jit = &jit;
    machine.brk = image.end;
    jit.SetSP(make_stack(image, argc - 1, argv + 1));
    jit.SetPC(image.entry);
    for (;;)
        jit.Run();
}
