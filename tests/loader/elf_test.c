/* elf_read(): what it accepts, and what it says of each thing that can be wrong. */
#include "../../loader/elf.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PHDRS = 8, FILE_SIZE = 0x3000 };

/* A small sound program that the tests break: text at 0x400000, data with bss behind it. */
struct sample {
    Elf64_Ehdr header;
    Elf64_Phdr ph[PHDRS];
    char interp[16];
    _Alignas(8) uint32_t note[64];
};

static struct sample sound(void)
{
    struct sample s = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_AARCH64,
                   .e_version = EV_CURRENT,
                   .e_entry = 0x400800,
                   .e_phoff = offsetof(struct sample, ph),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 2},
        .ph = {{PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, 0x1000, 0x1000, 0x1000},
               {PT_LOAD, PF_R | PF_W, 0x1800, 0x411800, 0x411800, 0x400, 0x2000, 0x1000}},
        .interp = "/lib/ld.so",
    };
    return s;
}

static struct elf_error error;

static int read_sample(struct elf_file *elf, const struct sample *s)
{
    int fd = memfd_create("elf", 0);
    cr_assert_eq(write(fd, s, sizeof *s), (ssize_t)sizeof *s);
    cr_assert_eq(ftruncate(fd, FILE_SIZE), 0);
    memset(&error, 0, sizeof error);
    int status = elf_read(elf, fd, &error);
    close(fd);
    return status;
}

static void expect_refused(const struct sample *s, const char *words)
{
    static struct elf_file elf;
    int status = read_sample(&elf, s);
    cr_expect_eq(status, -ENOEXEC, "%s: status %d", words, status);
    cr_expect(strstr(error.text, words), "\"%s\" does not say: %s", error.text, words);
}

Test(elf, sound_program_is_described)
{
    static struct elf_file elf;
    struct sample s = sound();
    cr_assert_eq(read_sample(&elf, &s), 0, "%s", error.text);
    cr_expect(elf.fixed);
    cr_expect_eq(elf.entry, 0x400800);
    cr_expect_eq(elf.segments, 2);
    cr_expect_eq(elf.low, 0x400000);
    cr_expect_eq(elf.high, 0x414000);
    cr_expect_eq(elf.phdr, 0x400000 + offsetof(struct sample, ph));
    cr_expect_eq(elf.phnum, 2);
    cr_expect_eq(elf.segment[0].prot, PROT_READ | PROT_EXEC);
    cr_expect_eq(elf.segment[1].memsz, 0x2000);
    cr_expect_not(elf.exec_stack);
    cr_expect_eq(elf.interp[0], 0);
}

Test(elf, interpreter_and_stack_flags_are_read)
{
    static struct elf_file elf;
    struct sample s = sound();
    s.header.e_type = ET_DYN;
    s.header.e_phnum = 4;
    s.ph[2] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(struct sample, interp), .p_filesz = 11};
    s.ph[3] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X};
    cr_assert_eq(read_sample(&elf, &s), 0, "%s", error.text);
    cr_expect_not(elf.fixed);
    cr_expect_str_eq(elf.interp, "/lib/ld.so");
    cr_expect(elf.exec_stack);
}

Test(elf, alignment_is_the_greatest_of_the_segments)
{
    static struct elf_file elf;
    struct sample s = sound();
    s.ph[1].p_align = 0x10000;
    cr_assert_eq(read_sample(&elf, &s), 0, "%s", error.text);
    cr_expect_eq(elf.align, 0x10000);
}

Test(elf, empty_segment_is_ignored)
{
    static struct elf_file elf;
    struct sample s = sound();
    s.header.e_phnum = 3;
    s.ph[2] = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = ~0ull, .p_vaddr = ~0ull};
    cr_expect_eq(read_sample(&elf, &s), 0, "%s", error.text);
    cr_expect_eq(elf.segments, 2);
}

Test(elf, other_machines_are_named)
{
    static const struct {
        unsigned machine;
        const char *words;
    } cases[] = {{EM_X86_64, "run it directly"},
                 {EM_386, "32-bit x86"},
                 {EM_ARM, "32-bit ARM"},
                 {EM_RISCV, "RISC-V"},
                 {EM_PPC64, "POWER"},
                 {EM_S390, "S/390"},
                 {EM_MIPS, "MIPS"},
                 {999, "999"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sample s = sound();
        s.header.e_machine = (Elf64_Half)cases[i].machine;
        expect_refused(&s, cases[i].words);
    }
}

Test(elf, identity_is_checked)
{
    struct sample s = sound();
    s.header.e_ident[0] = 'x';
    expect_refused(&s, "not an ELF program");
    s = sound();
    s.header.e_ident[EI_DATA] = ELFDATA2MSB;
    s.header.e_machine = EM_AARCH64 << 8;
    expect_refused(&s, "big-endian ARM64");
    s = sound();
    s.header.e_ident[EI_DATA] = 7;
    expect_refused(&s, "byte order");
    s = sound();
    s.header.e_ident[EI_CLASS] = ELFCLASS32;
    expect_refused(&s, "ILP32");
    s = sound();
    s.header.e_type = ET_REL;
    expect_refused(&s, "not linked");
    s = sound();
    s.header.e_type = ET_CORE;
    expect_refused(&s, "core dump");
}

Test(elf, program_headers_are_checked)
{
    struct sample s = sound();
    s.header.e_phnum = 0;
    expect_refused(&s, "number of program headers");
    s = sound();
    s.header.e_phnum = 5000;
    expect_refused(&s, "number of program headers");
    s = sound();
    s.header.e_phentsize = 32;
    expect_refused(&s, "wrong size (32 bytes)");
    s = sound();
    s.header.e_phoff = FILE_SIZE - 8;
    expect_refused(&s, "program headers are missing");
    s = sound();
    s.header.e_phoff = ~0ull - 8;
    expect_refused(&s, "program headers are missing");
    s = sound();
    s.ph[0].p_type = s.ph[1].p_type = PT_NOTE;
    expect_refused(&s, "nothing to load");
}

Test(elf, segments_are_checked)
{
    struct sample s = sound();
    s.ph[1].p_filesz = 0x3000;
    expect_refused(&s, "larger in the file");
    s = sound();
    s.ph[1].p_filesz = s.ph[1].p_memsz = 0x20000;
    expect_refused(&s, "truncated");
    s = sound();
    s.ph[1].p_offset = ~0ull - 0x7ff;
    expect_refused(&s, "truncated");
    s = sound();
    s.ph[1].p_vaddr = 0xffff000000001800;
    expect_refused(&s, "address space");
    s = sound();
    s.ph[1].p_memsz = ~0ull - 0x1000;
    expect_refused(&s, "address space");
    s = sound();
    s.ph[1].p_offset += 8;
    expect_refused(&s, "not aligned");
    s = sound();
    s.ph[1].p_align = 0x1800;
    expect_refused(&s, "power of two");
    s = sound();
    s.ph[1].p_vaddr = 0x400800;
    expect_refused(&s, "overlapping");
    s = sound();
    s.ph[1].p_vaddr = 0x300800;
    expect_refused(&s, "overlapping or unordered");
    s = sound();
    s.header.e_entry = 0x411900;
    expect_refused(&s, "outside its code");
    s = sound();
    s.header.e_entry = 0x500000;
    expect_refused(&s, "outside its code");
}

Test(elf, interpreter_name_is_checked)
{
    struct sample s = sound();
    s.header.e_phnum = 3;
    s.ph[2] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(struct sample, interp), .p_filesz = 1};
    expect_refused(&s, "wrong length");
    s.ph[2].p_filesz = 100000;
    expect_refused(&s, "wrong length");
    s.ph[2].p_filesz = 10;
    expect_refused(&s, "malformed");
    s.ph[2].p_filesz = 14;
    expect_refused(&s, "malformed");
    s.ph[2].p_filesz = 11;
    s.ph[2].p_offset = FILE_SIZE - 4;
    expect_refused(&s, "missing");
    s.ph[2].p_offset = ~0ull;
    expect_refused(&s, "missing");
    s.ph[2].p_offset = offsetof(struct sample, interp);
    s.ph[3] = s.ph[2];
    s.header.e_phnum = 4;
    expect_refused(&s, "two ELF interpreters");
}

/* A note of GNU properties, with `words` words of them behind its name. */
static struct sample with_note(const uint32_t *properties, uint32_t words)
{
    struct sample s = sound();
    s.header.e_phnum = 3;
    s.ph[2] = (Elf64_Phdr){.p_type = PT_GNU_PROPERTY, .p_offset = offsetof(struct sample, note), .p_filesz = 16 + 4 * words};
    memcpy(s.note, (uint32_t[]){4, 4 * words, NT_GNU_PROPERTY_TYPE_0, 0x00554e47 /* "GNU" */}, 16);
    memcpy(s.note + 4, properties, 4 * words);
    return s;
}

enum { AND = (int)GNU_PROPERTY_AARCH64_FEATURE_1_AND, BTI = 1, PAC = 2 };

Test(elf, marks_for_guarded_pages_are_read)
{
    static const struct {
        uint32_t properties[12], words;
        bool guarded;
    } cases[] = {
        {{0}, 0, false},
        {{AND, 4, BTI, 0}, 4, true},
        {{AND, 4, BTI | PAC, 0}, 4, true},
        {{AND, 4, PAC, 0}, 4, false},
        {{1, 8, BTI, 0, AND, 4, BTI, 0}, 8, true},
        {{1, 3, BTI, 0, 2, 0}, 6, false},
        {{AND, 4, BTI, 0, AND + 1, 5, 0, 0}, 8, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct elf_file elf;
        struct sample s = with_note(cases[i].properties, cases[i].words);
        cr_assert_eq(read_sample(&elf, &s), 0, "%zu: %s", i, error.text);
        cr_expect_eq(elf.guarded, cases[i].guarded, "%zu", i);
    }
}

/* What the kernel refuses (fs/binfmt_elf.c). */
Test(elf, notes_of_gnu_properties_are_checked)
{
    static const struct {
        uint32_t properties[12], words;
    } bad[] = {
        {{AND, 4, BTI}, 3},                         /* not a whole number of eight bytes */
        {{AND, 8, BTI, 0}, 4},                      /* of a wrong size */
        {{AND, 400, BTI, 0}, 4},                    /* longer than the note */
        {{AND, 4, BTI, 0, AND, 4, BTI, 0}, 8},      /* twice */
        {{AND + 1, 4, BTI, 0, AND, 4, BTI, 0}, 8},  /* not in order */
        {{AND, 4, BTI, 0, 1}, 5},
    };
    static struct elf_file elf;
    struct sample s;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s = with_note(bad[i].properties, bad[i].words);
        expect_refused(&s, "note of GNU properties");
    }
    for (int word = 0; word < 4; word++) { /* lengths, type and name */
        s = with_note(bad[0].properties, 4);
        s.note[word] ^= 0x40;
        expect_refused(&s, "note of GNU properties");
    }
    for (int i = 0; i < 4; i++) {
        s = with_note(bad[0].properties, 4);
        s.ph[2].p_filesz = (const uint64_t[]){12, 24, 1025, ~0ull}[i];
        expect_refused(&s, "note of GNU properties");
    }
    s.ph[2].p_filesz = 32;
    s.ph[2].p_offset = ~0ull;
    expect_refused(&s, "note of GNU properties");
    /* A dynamic program's own note is its interpreter's business. */
    s.header.e_phnum = 4;
    s.ph[3] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(struct sample, interp), .p_filesz = 11};
    cr_expect_eq(read_sample(&elf, &s), 0, "%s", error.text);
    cr_expect_not(elf.guarded);
}
