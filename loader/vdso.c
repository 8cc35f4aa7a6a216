/* The guest's vDSO: an ELF image of one page, as Linux/arm64 maps it into every process. Its functions are
 * system calls; those for the clocks and random numbers are answered by the host's vDSO (syscall/time.c,
 * random.c), so that none reaches the kernel. */
#include "vdso.h"
#include "elf.h"

#include <xemu/guestmem.h>
#include <xemu/sys.h>

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define VERSION_NAME "LINUX_2.6.39"
#define SONAME       "linux-vdso.so.1"

enum { VERSION_HASH = 0x075fcb89, SONAME_HASH = 0x0deebfa1 }; /* as elf_hash() makes them */

/* An exported function: name and its place among the words of code. */
#define FUNCTIONS(F)                           \
    F(sigreturn, "__kernel_rt_sigreturn")      \
    F(gettimeofday, "__kernel_gettimeofday")   \
    F(clock_gettime, "__kernel_clock_gettime") \
    F(clock_getres, "__kernel_clock_getres")   \
    F(getrandom, "__kernel_getrandom")

struct strings {
    char empty[1];
#define F(id, name) char id[sizeof name];
    FUNCTIONS(F)
#undef F
    char version[sizeof VERSION_NAME];
    char soname[sizeof SONAME];
};

enum {
    SYMBOL_NONE,
#define F(id, name) SYMBOL_##id,
    FUNCTIONS(F)
#undef F
        SYMBOL_VERSION, /* the version itself is a symbol, too */
    SYMBOLS
};

/* A function is `mov x8, #number; svc #0; ret`. For clock_gettime the SVC gives seconds and nanoseconds in x2 and x3,
 * which gettimeofday makes use of, too (ORDER vdso_clock: syscall/time.c). The handler's way back has no `ret`, but a nop before it
 * because unwinders look up the address before the return address. They know these two instructions by sight:
 * Linux, too, says nothing about them in .eh_frame. */
struct code {
    uint32_t nop, sigreturn[2];
    uint32_t gettimeofday[14], clock_gettime[5], clock_getres[3], getrandom[3];
};
#define MOV_X8(number) (0xd2800008u | (number) << 5)
enum { SVC = 0xd4000001, RET = 0xd65f03c0, NOP = 0xd503201f };
enum {
    X0_CBZ = 0xb4000000, /* distances are in words, << 5 */
    X0_CBNZ = 0xb5000000,
    X1_CBNZ = 0xb5000001,
    X0_TO_X1 = 0xaa0003e1,
    X0_ZERO = 0xd2800000,
    X4_1000 = 0xd2807d04,
    X3_BY_X4 = 0x9ac40863,    /* udiv x3, x3, x4 */
    STORE_X2_X3 = 0xa9000c22, /* stp x2, x3, [x1] */
};

/* DWARF: in all functions the frame is at sp and the return address in x30. */
struct frame_info {
    struct {
        uint32_t length, id;
        uint8_t version, augmentation[3], code_align, data_align, return_column, augmentation_size, encoding;
        uint8_t def_cfa[3], nops[4];
    } cie;
    struct {
        uint32_t length, cie_distance;
        int32_t start;
        uint32_t size;
        uint8_t augmentation_size, nops[3];
    } fde;
    uint32_t end;
};
struct frame_header {
    uint8_t version, pointer_encoding, count_encoding, table_encoding;
    int32_t frame_pointer;
    uint32_t count;
    int32_t start, fde;
};
enum { PCREL_SDATA4 = 0x1b, UDATA4 = 0x03, DATAREL_SDATA4 = 0x3b, DW_CFA_DEF_CFA = 0x0c };

struct versions {
    Elf64_Verdef base;
    Elf64_Verdaux base_name;
    Elf64_Verdef def;
    Elf64_Verdaux def_name;
};

struct vdso {
    Elf64_Ehdr header;
    Elf64_Phdr segment[4];
    struct {
        uint32_t buckets, chains, bucket[1], chain[SYMBOLS];
    } hash;
    Elf64_Sym symbol[SYMBOLS];
    Elf64_Half version_of[SYMBOLS];
    struct versions versions;
    struct strings strings;
    struct frame_header frame_header;
    struct frame_info frames __attribute__((aligned(8)));
    Elf64_Dyn dynamic[10];
    struct code code __attribute__((aligned(16)));
};

#define AT(member)   offsetof(struct vdso, member)
#define SIZE(member) sizeof(((struct vdso *)0)->member)
#define SEGMENT(type, flags, member, align)                                                \
    {                                                                                      \
        type, flags, AT(member), AT(member), AT(member), SIZE(member), SIZE(member), align \
    }

static const struct vdso image = {
    .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
               .e_type = ET_DYN,
               .e_machine = EM_AARCH64,
               .e_version = EV_CURRENT,
               .e_entry = AT(code),
               .e_phoff = AT(segment),
               .e_ehsize = sizeof(Elf64_Ehdr),
               .e_phentsize = sizeof(Elf64_Phdr),
               .e_phnum = 4,
               .e_shentsize = sizeof(Elf64_Shdr)},
    .segment = {{PT_LOAD, PF_R | PF_X, 0, 0, 0, sizeof(struct vdso), sizeof(struct vdso), PAGE},
                SEGMENT(PT_DYNAMIC, PF_R, dynamic, 8),
                SEGMENT(PT_GNU_EH_FRAME, PF_R, frame_header, 4),
                {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16}},
    .hash = {.buckets = 1, .chains = SYMBOLS, .bucket = {1}, .chain = {0, 2, 3, 4, 5, 6, 0}},
    .symbol =
        {
#define F(id, name)                                       \
    [SYMBOL_##id] = {AT(strings.id) - AT(strings),        \
                     ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), \
                     0,                                   \
                     1,                                   \
                     AT(code.id),                         \
                     SIZE(code.id)},
            FUNCTIONS(F)
#undef F
                [SYMBOL_VERSION] = {AT(strings.version) - AT(strings), ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                                    0, SHN_ABS, 0, 0},
        },
    .version_of = {0, 2, 2, 2, 2, 2, 2},
    .versions = {.base = {1, VER_FLG_BASE, 1, 1, SONAME_HASH, offsetof(struct versions, base_name),
                          offsetof(struct versions, def)},
                 .base_name = {AT(strings.soname) - AT(strings), 0},
                 .def = {1, 0, 2, 1, VERSION_HASH, sizeof(Elf64_Verdef), 0},
                 .def_name = {AT(strings.version) - AT(strings), 0}},
    .strings = {.version = VERSION_NAME,
                .soname = SONAME,
#define F(id, name) .id = name,
                FUNCTIONS(F)
#undef F
    },
    .frame_header = {1, PCREL_SDATA4, UDATA4, DATAREL_SDATA4, AT(frames) - AT(frame_header.frame_pointer), 1,
                     AT(code.gettimeofday) - AT(frame_header), AT(frames.fde) - AT(frame_header)},
    .frames = {.cie = {SIZE(frames.cie) - 4,
                       0,
                       1,
                       "zR",
                       4,
                       0x78 /* -8 */,
                       30,
                       1,
                       PCREL_SDATA4,
                       {DW_CFA_DEF_CFA, 31, 0},
                       {0}},
               .fde = {SIZE(frames.fde) - 4,
                       AT(frames.fde.cie_distance) - AT(frames.cie),
                       AT(code.gettimeofday) - AT(frames.fde.start),
                       sizeof(struct vdso) - AT(code.gettimeofday),
                       0,
                       {0}}},
    .dynamic = {{DT_SONAME, {AT(strings.soname) - AT(strings)}},
                {DT_HASH, {AT(hash)}},
                {DT_STRTAB, {AT(strings)}},
                {DT_SYMTAB, {AT(symbol)}},
                {DT_STRSZ, {SIZE(strings)}},
                {DT_SYMENT, {sizeof(Elf64_Sym)}},
                {DT_VERSYM, {AT(version_of)}},
                {DT_VERDEF, {AT(versions)}},
                {DT_VERDEFNUM, {2}},
                {DT_NULL, {0}}},
    .code = {NOP,
             {MOV_X8(139), SVC},
             {X1_CBNZ | 11 << 5, X0_CBZ | 10 << 5, X0_TO_X1, X0_ZERO /* CLOCK_REALTIME */, MOV_X8(113), SVC,
              X0_CBNZ | 4 << 5, X4_1000, X3_BY_X4, STORE_X2_X3, RET, MOV_X8(169), SVC, RET},
             {MOV_X8(113), SVC, X0_CBNZ | 2 << 5, STORE_X2_X3, RET},
             {MOV_X8(114), SVC, RET},
             {MOV_X8(278), SVC, RET}},
};
_Static_assert(sizeof(struct vdso) <= VDSO_PATH, "the vDSO is half a page");

int vdso_map(struct guest_image *guest)
{
    int64_t page = guest_mmap(0, VDSO_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page < 0)
        return page;
    struct vdso *vdso = memcpy((void *)page, &image, sizeof image);
    if (!sys_has_vdso_getrandom())
        vdso->symbol[SYMBOL_getrandom].st_shndx = SHN_UNDEF; /* as of a kernel before 6.12 */
    if (strlen(guest->path) < VDSO_SIZE - VDSO_PATH) /* for other guests' view of /proc/PID/exe */
        strcpy((char *)page + VDSO_PATH, guest->path);
    guest->vdso = page;
    guest->sigreturn = page + AT(code.sigreturn);
    return guest_mprotect(page, VDSO_SIZE, PROT_READ | PROT_EXEC);
}
