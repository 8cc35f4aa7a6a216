/* Functions of files, by place and by name. */
#include <xemu/loader.h>

#include <criterion/criterion.h>
#include <dirent.h>

static int descriptors(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    while (all && readdir(all))
        count++;
    closedir(all);
    return count;
}

static const char self[] = "/proc/self/exe";

int a_function(int x);
__attribute__((noinline, noclone)) int a_function(int x) { return x + 1; }

Test(symbols, function_is_found_by_name_and_place)
{
    struct elf_range range;
    struct elf_symbol symbol;
    cr_assert_eq(a_function(1), 2);
    cr_assert_eq(elf_find_function(self, "a_function", &range, 1), 1);
    cr_assert(elf_find_symbol(self, range.start + 1, &symbol));
    cr_assert_str_eq(symbol.name, "a_function");
    cr_assert_eq(symbol.offset, 1);
}

Test(symbols, files_stay_open_only_as_long_as_they_are_kept)
{
    struct elf_range range;
    struct elf_symbol symbol;
    int before = descriptors();
    cr_assert_eq(elf_find_function(self, "a_function", &range, 1), 1);
    cr_assert_eq(descriptors(), before);
    elf_keep_files(true);
    for (int i = 0; i < 3; i++)
        cr_assert(elf_find_symbol(self, range.start, &symbol));
    cr_assert_eq(descriptors(), before + 1);
    elf_keep_files(false);
    cr_assert_eq(descriptors(), before);
    cr_assert(elf_find_symbol(self, range.start, &symbol));
    cr_assert_eq(descriptors(), before);
}
