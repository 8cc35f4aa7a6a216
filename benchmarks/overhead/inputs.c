/* What Debian's programs need: their packages, for both architectures, and files to work on. */
#include "lab.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_text(FILE *out)
{
    static const char *const nouns[] = {"measure", "translate", "native", "guest"};
    static const char *const ends[] = {"", "s", "d", " again", " with care"};
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        struct random random = {state = (state * 6364136223846793005u + 1442695040888963407u) | 1};
        const char *noun = nouns[random_below(&random, 4)];
        fprintf(out, "%d %s%s\n", i, noun, ends[random_below(&random, 5)]);
    }
}

static void write_program(FILE *out)
{
    for (int i = 0; i < 30; i++)
        fprintf(out,
                "int f%d(int x, int *a) { int s = 0; for (int i = 0; i < x; i++) { s += a[i] * %d; if (s & "
                "1) s ^= x; "
                "else a[i] = s >> %d; } return s; }\n",
                i, i + 3, i % 7 + 1);
}

static void write_java(FILE *out)
{
    fputs("import java.util.*;\n"
          "public class Job {\n"
          "    public static void main(String[] args) {\n"
          "        Map<Integer, String> map = new HashMap<>();\n"
          "        long sum = 0;\n"
          "        for (int i = 0; i < 30000; i++) {\n"
          "            map.merge(i * 7919 % 1009, \"x\", String::concat);\n"
          "            sum += map.get(i * 7919 % 1009).length() % 7;\n"
          "        }\n"
          "        System.out.println(sum + \" \" + map.size());\n"
          "    }\n"
          "}\n",
          out);
}

/* A disc that moves over stripes: planes of brightness, and of colours at half the resolution (I420). */
static void write_film(FILE *out)
{
    enum { WIDTH = 176, HEIGHT = 144, FRAMES = 60 };
    for (int t = 0; t < FRAMES; t++) {
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                int dx = x - WIDTH / 2 - t / 2, dy = y - HEIGHT / 2;
                bool disc = dx * dx + dy * dy < 1600;
                putc(disc ? 200 + (x * 7 ^ y * 5 ^ t) % 40 : (x * 3 + y * 2 + t * 5) ^ x * y >> 4, out);
            }
        for (int i = 0; i < WIDTH * HEIGHT / 2; i++)
            putc(120 + ((i + t) & 15), out);
    }
}

/* As a new file that then takes the name: another run may just be reading the old one. */
static void write_input(const char *folder, const char *name, void (*write)(FILE *))
{
    char path[PATH_MAX], part[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX ||
        snprintf(part, sizeof part, "%s/%s.new", folder, name) >= PATH_MAX)
        fail("%s: the name is too long", folder);
    FILE *out = fopen(part, "we");
    if (!out)
        fail("cannot write %s: %s", part, strerror(errno));
    write(out);
    bool failed = ferror(out);
    if (fclose(out) || failed || rename(part, path))
        fail("cannot write %s: %s", path, strerror(errno));
}

static void write_inputs(const char *tree)
{
    static const struct {
        const char *name;
        void (*write)(FILE *);
    } inputs[] = {
        {"text", write_text}, {"program.c", write_program}, {"Job.java", write_java}, {"film", write_film}};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lab-data", tree);
    if (mkdir(path, 0777) && errno != EEXIST) /* no tree: what needs it is missing */
        return;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        write_input(path, inputs[i].name, inputs[i].write);
}

/* --- packages ------------------------------------------------------------------------------------------- */

static void fetch(const char *arch, const char *packages)
{
    char *command = NULL;
    if (asprintf(&command, "tools/sysroot.sh %s%s >&2", arch, packages) < 0)
        fail("not enough memory");
    int status = system(command); /* during which Ctrl-C is the script's alone */
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        interrupted = 1;
    else if (status)
        fprintf(stderr, "lab: not all of Debian's programs for %s could be fetched\n", arch);
    free(command);
}

void inputs_fetch(const struct lab *lab)
{
    char *packages = NULL;
    size_t size;
    FILE *out = open_memstream(&packages, &size);
    if (!out)
        fail("not enough memory");
    for (int i = 0; i < lab->program_count; i++)
        if (lab->programs[i].chosen)
            fprintf(out, " %s", lab->programs[i].packages);
    fclose(out);
    for (int arm = 0; arm < 2 && packages[strspn(packages, " ")] && !interrupted; arm++)
        fetch(arm ? "arm64" : "amd64", packages);
    free(packages);
}

void inputs_prepare(struct lab *lab)
{
    char *words[WORDS_MAX], path[PATH_MAX];
    for (int i = 0; i < lab->program_count; i++) {
        struct program *program = &lab->programs[i];
        if (is_lab_program(program) || !program->chosen)
            continue;
        for (int arm = 0; arm < 2 && !program->missing; arm++) {
            const char *arch = arm ? "arm64" : "amd64";
            if (!command_words(program, arch, words, WORDS_MAX))
                fail("%s has no command", program->name);
            snprintf(path, sizeof path, "build/sysroot-%s%s", arch, words[0]);
            char *why = NULL;
            if (access(path, F_OK) &&
                asprintf(&why, "%s is not there: tools/sysroot.sh fetches it", path) > 0)
                program->missing = why;
        }
    }
    write_inputs("build/sysroot-amd64");
    write_inputs("build/sysroot-arm64");
}
