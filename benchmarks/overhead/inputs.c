/* What Debian's programs need: their packages, for both architectures, and files to work on. */
#include "lab.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* --- files -------------------------------------------------------------------------------------------- */

static const char *const trees[] = {"build/sysroot-amd64/lab-data", "build/sysroot-arm64/lab-data"};
enum { TREES = sizeof trees / sizeof *trees };

static struct input {
    const char *name;
    void (*write)(FILE *);
    char *content; /* what it is to have */
    size_t size;
    struct stat found[TREES]; /* when it was known to have it */
} inputs[] = {{.name = "text", .write = write_text},
              {.name = "program.c", .write = write_program},
              {.name = "Job.java", .write = write_java},
              {.name = "film", .write = write_film}};
enum { INPUTS = sizeof inputs / sizeof *inputs };

/* As a new file that then takes the name: another run may just be reading the old one. */
static void write_input(const struct input *input, const char *path)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s.new", path) >= PATH_MAX)
        fail("%s: the name is too long", path);
    FILE *out = fopen(part, "we");
    if (!out)
        fail("cannot write %s: %s", part, strerror(errno));
    fwrite(input->content, 1, input->size, out);
    bool failed = ferror(out);
    if (fclose(out) || failed || rename(part, path))
        fail("cannot write %s: %s", path, strerror(errno));
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool has_content(const struct input *input, const char *path)
{
    FILE *file = fopen(path, "re");
    char *content = file ? malloc(input->size + 1) : NULL;
    bool same = content && fread(content, 1, input->size + 1, file) == input->size &&
                memcmp(content, input->content, input->size) == 0;
    free(content);
    if (file)
        fclose(file);
    return same;
}

/* A file with another name, too, is another tree's, and who writes there changes it here. */
static void check_input(struct input *input, int tree)
{
    char path[PATH_MAX];
    struct stat now;
    snprintf(path, sizeof path, "%s/%s", trees[tree], input->name);
    bool there = stat(path, &now) == 0, known = input->found[tree].st_ino;
    if (there && known && same_file(&now, &input->found[tree]))
        return;
    bool right = there && has_content(input, path);
    if (!right && known)
        fprintf(stderr, "lab: %s was changed: it is made anew\n", path);
    if (!right || now.st_nlink > 1)
        write_input(input, path);
    stat(path, &input->found[tree]);
}

static void make_content(struct input *input)
{
    FILE *out = open_memstream(&input->content, &input->size);
    if (!out)
        fail("not enough memory");
    input->write(out);
    if (fclose(out))
        fail("not enough memory");
}

void inputs_check(void)
{
    for (int tree = 0; tree < TREES; tree++) {
        if (mkdir(trees[tree], 0777) && errno != EEXIST) /* no tree: what needs it is missing */
            continue;
        for (int i = 0; i < INPUTS; i++) {
            if (!inputs[i].content)
                make_content(&inputs[i]);
            check_input(&inputs[i], tree);
        }
    }
}

/* --- packages ------------------------------------------------------------------------------------------- */

static bool has_word(const char *words, const char *word, size_t length)
{
    for (const char *at = words + strspn(words, " "); *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == length && strncmp(at, word, n) == 0)
            return true;
        at += n;
    }
    return false;
}

/* A line of the script's: "missing PACKAGE: WHY". */
static void note_missing(struct lab *lab, const char *arch, const char *line)
{
    const char *package = line + strlen("missing "), *behind = strchr(package, ':');
    for (int i = 0; behind && i < lab->program_count; i++) {
        struct program *program = &lab->programs[i];
        char *why;
        if (program->missing || !has_word(program->packages, package, (size_t)(behind - package)))
            continue;
        if (asprintf(&why, "Debian's package %.*s for %s cannot be had%.*s", (int)(behind - package), package, arch,
                     (int)strcspn(behind, "\n"), behind) > 0)
            program->missing = why;
    }
}

static void fetch(struct lab *lab, const char *arch, const char *packages)
{
    char *command = NULL, line[1000];
    if (asprintf(&command, "tools/sysroot.sh %s%s", arch, packages) < 0)
        fail("not enough memory");
    FILE *script = popen(command, "re");
    while (script && fgets(line, sizeof line, script)) {
        fputs(line, stderr);
        if (strncmp(line, "missing ", 8) == 0)
            note_missing(lab, arch, line);
    }
    if ((!script || pclose(script)) && !interrupted)
        fprintf(stderr, "lab: not all of Debian's programs for %s could be fetched\n", arch);
    free(command);
}

void inputs_fetch(struct lab *lab)
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
        fetch(lab, arm ? "arm64" : "amd64", packages);
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
    inputs_check();
}
