/* Preloaded: the calls named in S3DLIO_TEST_CALL, of fsync and sync_file_range, fail with the errno S3DLIO_TEST_ERRNO from the one of number
 * S3DLIO_TEST_FROM on, counted from 0. The library asks dlsym for its system calls, so dlsym is where it is met. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int calls;

static int number(const char *name)
{
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

static int fails(void)
{
    if (atomic_fetch_add(&calls, 1) < number("S3DLIO_TEST_FROM"))
        return 0;
    errno = number("S3DLIO_TEST_ERRNO");
    return 1;
}

static int failing_fsync(int fd)
{
    return fails() ? -1 : fsync(fd);
}

static int failing_sync_file_range(int fd, off_t offset, off_t length, unsigned flags)
{
    return fails() ? -1 : sync_file_range(fd, offset, length, flags);
}

void *dlsym(void *library, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real)
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    const char *chosen = getenv("S3DLIO_TEST_CALL");
    if (chosen && strcmp(name, chosen) == 0)
        return strcmp(name, "fsync") == 0 ? (void *)failing_fsync : (void *)failing_sync_file_range;
    return real(library, name);
}
