/* xemu install, uninstall: registers with the kernel, and leaves word for the next boot. */
#include "binfmt.h"
#include "commands.h"

#include <xemu/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INTERPRETER_MAX = 127 }; /* BINPRM_BUF_SIZE - 1 */

static const char *mount_place(enum choice choice)
{
    const char *place = choice_value(choice);
    return place ? place : BINFMT_PLACE;
}

/* ---- files for the next boot ---- */

/* Of systemd-binfmt and of binfmt-support: what they read, and what else shows that they are here. */
static const struct boot_file {
    const char *directory, *name, *shown_by;
} boot_files[] = {
    {"/etc/binfmt.d", BINFMT_NAME ".conf", "/usr/lib/systemd/systemd-binfmt"},
    {"/usr/share/binfmts", BINFMT_NAME, "/usr/sbin/update-binfmts"},
};
enum { BOOT_FILES = sizeof boot_files / sizeof *boot_files };

static char *boot_file_text(const struct boot_file *file, const char *interpreter, const char *flags)
{
    if (file == &boot_files[0]) {
        char *line = binfmt_line(interpreter, flags);
        char *text = text_of("# ARM64 programs run under xemu; written by xemu install\n%s\n", line);
        free(line);
        return text;
    }
    return text_of(
        "package xemu\ninterpreter %s\nmagic %s\nmask %s\ncredentials %s\npreserve %s\nfix_binary %s\n",
        interpreter, BINFMT_MAGIC, BINFMT_MASK, strchr(flags, 'C') ? "yes" : "no",
        strchr(flags, 'P') ? "yes" : "no", strchr(flags, 'F') ? "yes" : "no");
}

static int write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -errno;
    bool failed = fputs(text, file) < 0;
    failed |= fclose(file) != 0;
    return failed ? -errno : 0;
}

static void make_directories(const char *path)
{
    char *copy = text_of("%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0755);
        *slash = '/';
    }
    mkdir(copy, 0755);
    free(copy);
}

/* Says what was done; false if it failed. */
static bool write_boot_file(const struct boot_file *file, const char *root, const char *interpreter,
                            const char *flags)
{
    char *directory = text_of("%s%s", root, file->directory), *shown = text_of("%s%s", root, file->shown_by);
    char *path = text_of("%s/%s", directory, file->name), *text = boot_file_text(file, interpreter, flags);
    int error = 0;
    if (access(directory, F_OK) == 0 || access(shown, F_OK) == 0) {
        make_directories(directory);
        error = write_text(path, text);
        if (error)
            fprintf(stderr, "xemu: %s: %s; after the next boot xemu is not registered\n", path,
                    strerror(-error));
        else
            printf("wrote %s\n", path);
    }
    free(directory);
    free(shown);
    free(path);
    free(text);
    return !error;
}

/* binfmt-support keeps a list of its own; it registers by itself at boot. */
static void tell_binfmt_support(const char *root, const char *action)
{
    char *const update[] = {"update-binfmts", (char *)action, BINFMT_NAME, NULL};
    char output[256];
    if (!root[0])
        run_program(update, output, sizeof output);
}

static bool write_boot_files(const char *root, const char *interpreter, const char *flags)
{
    bool done = true;
    for (size_t i = 0; i < BOOT_FILES; i++)
        done &= write_boot_file(&boot_files[i], root, interpreter, flags);
    return done;
}

static bool remove_boot_files(const char *root)
{
    bool any = false;
    for (size_t i = 0; i < BOOT_FILES; i++) {
        char *path = text_of("%s%s/%s", root, boot_files[i].directory, boot_files[i].name);
        if (unlink(path) == 0) {
            printf("removed %s\n", path);
            any = true;
        } else if (errno != ENOENT) {
            die(STATUS_FAILED, "%s: %s (run it as root?)", path, strerror(errno));
        }
        free(path);
    }
    return any;
}

/* ---- the kernel ---- */

static _Noreturn void die_of_mount(const char *place, int error)
{
    if (error == -EPERM && in_first_namespace())
        die(STATUS_FAILED, "binfmt_misc is not mounted at %s, and only root can do that: sudo xemu install",
            place);
    if (error == -EPERM)
        die(STATUS_FAILED,
            "binfmt_misc cannot be mounted at %s in this container or namespace: run xemu install on the "
            "host, or the container with --privileged",
            place);
    if (error == -ENODEV)
        die(STATUS_FAILED, "this kernel has no binfmt_misc; a kernel with CONFIG_BINFMT_MISC is needed");
    die(STATUS_FAILED, "binfmt_misc cannot be mounted at %s: %s", place, strerror(-error));
}

static _Noreturn void die_of_register(const char *place, const char *interpreter, const char *flags,
                                      int error)
{
    switch (-error) {
    case EACCES:
    case EPERM:
    case EROFS:
        die(STATUS_FAILED,
            "%s/register cannot be written: run it as root, on the host or in a container with "
            "--privileged",
            place);
    case EINVAL:
        die(STATUS_FAILED, "the kernel refuses the flags %s: it may be too old for them; try --flags=OC",
            flags);
    case ENOSPC:
        die(STATUS_FAILED,
            "the kernel has no room for more handlers (sysctl user.max_binfmt_misc_interpreters)");
    default:
        die(STATUS_FAILED, "the kernel does not register %s: %s", interpreter, strerror(-error));
    }
}

static void check_flags(const char *flags)
{
    if (!flags[0] || strspn(flags, "POCF") != strlen(flags))
        die(2, "--flags %s: should be some of P, O, C and F", flags);
}

static char *binary_to_register(const char *given, const char *flags)
{
    const char *why;
    char *binary = find_static_binary(given, &why);
    if (!binary)
        die(STATUS_FAILED, "%s%s%s", given ? given : "install", given ? " " : ": ", why);
    if (strlen(binary) > INTERPRETER_MAX)
        die(STATUS_FAILED, "%s: the kernel takes no path of more than %d bytes for a handler", binary,
            INTERPRETER_MAX);
    if (strpbrk(binary, ":\n"))
        die(STATUS_FAILED, "%s: a handler's path has no colon", binary);
    if (!strchr(flags, 'F'))
        fputs("xemu: without flag F containers and chroots must have xemu-static at the same path\n", stderr);
    return binary;
}

/* Another handler for the same programs is not in the way: the kernel asks the latest one first. */
static void tell_of_others(const char *place)
{
    struct handler handlers[8];
    size_t count = binfmt_handlers(place, handlers, 8);
    for (size_t i = 0; i < count && i < 8; i++)
        if (strcmp(handlers[i].name, BINFMT_NAME) != 0 && handlers[i].enabled)
            printf("%s is registered as well; xemu comes first\n", handlers[i].name);
}

/* Mounts binfmt_misc if need be, and registers. */
static void register_binary(const char *place, const char *binary, const char *flags)
{
    int error = binfmt_mount(place);
    if (error)
        die_of_mount(place, error);
    error = binfmt_register(place, binary, flags);
    if (error)
        die_of_register(place, binary, flags, error);
}

static void install_now(const char *place, const char *binary, const char *flags)
{
    register_binary(place, binary, flags);
    printf("ARM64 programs run under %s (flags %s)\n", binary, flags);
    if (!in_first_namespace())
        puts("but only in this user namespace and those below: for the machine run it as the host's root, "
             "with sudo");
    if (!binfmt_enabled(place))
        printf("but binfmt_misc is switched off: echo 1 >%s/status\n", place);
    tell_of_others(place);
}

int command_install(int argc, char **argv)
{
    (void)argc, (void)argv;
    const char *flags = choice_value(CHOICE_install_flags), *root = choice_value(CHOICE_install_root);
    flags = flags ? flags : binfmt_best_flags();
    check_flags(flags);
    char *binary = binary_to_register(choice_value(CHOICE_install_binary), flags);
    if (!root)
        install_now(mount_place(CHOICE_install_mount), binary, flags);
    bool lasting = choice_value(CHOICE_install_now) == NULL && (root || in_first_namespace());
    bool done = !lasting || write_boot_files(root ? root : "", binary, flags);
    if (lasting)
        tell_binfmt_support(root ? root : "", "--import");
    free(binary);
    return done ? 0 : STATUS_FAILED;
}

int command_uninstall(int argc, char **argv)
{
    (void)argc, (void)argv;
    const char *root = choice_value(CHOICE_uninstall_root);
    bool files = remove_boot_files(root ? root : "");
    if (root)
        return 0;
    int error = binfmt_unregister(mount_place(CHOICE_uninstall_mount), BINFMT_NAME);
    if (error && error != -ENOENT)
        die(STATUS_FAILED, "%s cannot be unregistered: %s (run it as root?)", BINFMT_NAME, strerror(-error));
    puts(error && !files ? "xemu was not registered" : "xemu is no longer registered");
    return 0;
}

/* ---- the container image ---- */

int command_binfmt(int argc, char **argv)
{
    (void)argc, (void)argv;
    const char *platforms = choice_value(CHOICE_binfmt_install),
               *name = choice_value(CHOICE_binfmt_uninstall);
    const char *place = mount_place(CHOICE_binfmt_mount);
    if (platforms && strcmp(platforms, "all") && strcmp(platforms, "arm64") &&
        strcmp(platforms, "linux/arm64"))
        die(2, "--install %s: xemu runs arm64", platforms);
    if (platforms) {
        const char *flags = binfmt_best_flags();
        char *binary = binary_to_register(NULL, flags);
        register_binary(place, binary, flags);
        free(binary);
    }
    if (name) {
        int error = binfmt_mount(place);
        error = error ? error : binfmt_unregister(place, strcmp(name, "arm64") ? name : BINFMT_NAME);
        if (error)
            die(STATUS_FAILED, "%s cannot be unregistered: %s", name,
                error == -ENOENT ? "there is no such handler" : strerror(-error));
    }
    return show_platforms(place);
}
