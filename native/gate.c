/* What the library shares with the rest of its process, it uses behind a gate that forks and the end of the process close.
 *
 * OpenSSL, the loader and the resolver exist once in a process; a forked child's private copy of this library
 * uses the ones of its parent, in the state of the moment of the fork. A lock that a thread of the parent held then is never given back
 * in the child, and what was half done stays half done. So no thread of ours is inside at that moment: a fork closes the gate, waits
 * until all have left, and opens it again. Calls inside the gate take microseconds; only the resolver waits for a network there.
 *
 * The end of the process takes OpenSSL down, where another library set it up (Python's ssl does), while threads of ours still run: the
 * gate is closed before that, for good. (Without, 8 of 400 processes that signed died at their end, under .NET 10 as under 9.)
 *
 * A thread that ends frees what OpenSSL keeps for it, by OpenSSL's own destructor: the thread is inside for that, too.
 *
 * The linker leads all calls to the functions that gated.h names (every one of .NET's interface to OpenSSL) through here: --wrap. So
 * finalizers, callbacks and whatever else .NET does by itself pass the gate too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds that a fork waits for threads inside. The resolver holds its locks for a moment; what takes it longer is the network. */
enum { FORK = 2000, LOOK_UP = 100, EXIT = 3000, AFTER_EXIT = 10000, ENDING_AFTER_EXIT = 1000 };

struct gate {
    /* threads inside */
    atomic_int inside;
    /* forks under way, which close it, and CLOSED_FOR_GOOD */
    atomic_int closed;
};

enum { CLOSED_FOR_GOOD = 1 << 30 };

static struct gate libraries, resolver;
/* how deep this thread is inside: who is, may enter again (OpenSSL calls .NET back, which calls OpenSSL) */
static __thread int depth;

static void futex_wait(atomic_int *word, int value, const struct timespec *limit)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit, NULL, 0);
}

static void futex_wake(atomic_int *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static int64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

static void wait_until(atomic_int *word, int value, int64_t end)
{
    int64_t left = end - now();
    struct timespec limit = {left / 1000, left % 1000 * 1000000};
    if (left > 0)
        futex_wait(word, value, &limit);
}

/* closed for good, the gate holds who would enter for so many milliseconds */
static void enter_within(struct gate *gate, int64_t held)
{
    if (depth++ > 0)
        return;
    int64_t exiting = 0;
    for (;;) {
        int closed = atomic_load(&gate->closed);
        /* not for ever: a handler of the process's end may wait for what this thread does */
        if ((closed & CLOSED_FOR_GOOD) && exiting == 0)
            exiting = now() + held;
        if (closed != 0 && (exiting == 0 || now() < exiting)) {
            wait_until(&gate->closed, closed, now() + 1000);
            continue;
        }
        atomic_fetch_add(&gate->inside, 1);
        if (atomic_load(&gate->closed) == 0 || exiting != 0)
            return;
        if (atomic_fetch_sub(&gate->inside, 1) == 1)
            futex_wake(&gate->inside);
    }
}

static void leave(struct gate *gate)
{
    if (--depth > 0)
        return;
    if (atomic_fetch_sub(&gate->inside, 1) == 1 && atomic_load(&gate->closed) != 0)
        futex_wake(&gate->inside);
}

/* The end of a thread: destructors of thread_local objects run first, then those of keys, in rounds while one sets its key again. OpenSSL's
 * is of a key. So the first of ours enters, and the second leaves one round after OpenSSL's. */
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *library);
extern void *__dso_handle;

static pthread_key_t rounds;
static __thread int round_of_end, end_is_watched;

static void enter_for_the_end(void *unused)
{
    (void)unused;
    /* short: what ends the process may wait for this thread */
    enter_within(&libraries, ENDING_AFTER_EXIT);
    if (pthread_setspecific(rounds, &round_of_end) != 0)
        leave(&libraries);
}

static void end_of_round(void *unused)
{
    (void)unused;
    if (round_of_end++ > 0 || pthread_setspecific(rounds, &round_of_end) != 0)
        leave(&libraries);
}

static void enter(struct gate *gate)
{
    enter_within(gate, AFTER_EXIT);
    if (!end_is_watched && gate == &libraries) {
        end_is_watched = 1;
        (void)__cxa_thread_atexit_impl(enter_for_the_end, NULL, &__dso_handle);
    }
}

/* waits until no other thread is inside of the closed gate, or it took too long */
static void drain(struct gate *gate, int own, int64_t milliseconds)
{
    int64_t end = now() + milliseconds;
    int inside;
    while ((inside = atomic_load(&gate->inside)) > own && now() < end)
        wait_until(&gate->inside, inside, end);
}

/* The forking thread itself may be inside of one of them, in a signal's handler. Of which one is not known, nor worth knowing. */
static void before_fork(void)
{
    atomic_fetch_add(&libraries.closed, 1);
    atomic_fetch_add(&resolver.closed, 1);
    drain(&libraries, depth > 0, FORK);
    drain(&resolver, depth > 0, LOOK_UP);
}

static void open_again(struct gate *gate)
{
    if (atomic_fetch_sub(&gate->closed, 1) == 1)
        futex_wake(&gate->closed);
}

static void after_fork_in_parent(void)
{
    open_again(&libraries);
    open_again(&resolver);
}

static void after_fork_in_child(void)
{
    /* no other thread came along */
    atomic_store(&libraries.inside, depth > 0);
    atomic_store(&resolver.inside, depth > 0);
    atomic_store(&libraries.closed, 0);
    atomic_store(&resolver.closed, 0);
}

__attribute__((constructor)) static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    (void)pthread_key_create(&rounds, end_of_round);
}

static void close_for_good(void)
{
    atomic_fetch_or(&libraries.closed, CLOSED_FOR_GOOD);
    drain(&libraries, depth > 0, EXIT);
    /* what this thread itself still has to do, it does without waiting for anybody */
    depth++;
}

static void watch_the_end(void)
{
    (void)atexit(close_for_good);
}

/* Arguments and results are whole numbers and pointers, at most ten of them; those that a function does not have are passed on unseen. */
typedef intptr_t word;
#define PARAMETERS word a, word b, word c, word d, word e, word f, word g, word h, word i, word j
#define ARGUMENTS a, b, c, d, e, f, g, h, i, j

#define GATED(name)                   \
    word __real_##name(PARAMETERS);   \
    word __wrap_##name(PARAMETERS);   \
    word __wrap_##name(PARAMETERS)    \
    {                                 \
        enter(&libraries);            \
        word result = __real_##name(ARGUMENTS); \
        leave(&libraries);            \
        return result;                \
    }

#include "gated.h"

/* .NET's first call. Handlers of the end run in the reverse order: OpenSSL's, if it has one, is known by now, and ours comes before it. */
int32_t __real_CryptoNative_EnsureOpenSslInitialized(void);
int32_t __wrap_CryptoNative_EnsureOpenSslInitialized(void);
int32_t __wrap_CryptoNative_EnsureOpenSslInitialized(void)
{
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    enter(&libraries);
    int32_t result = __real_CryptoNative_EnsureOpenSslInitialized();
    leave(&libraries);
    (void)pthread_once(&watched, watch_the_end);
    return result;
}

/* The loader's locks; exceptions take one of them. */
void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
    enter(&libraries);
    void *result = __real_dlopen(name, flags);
    leave(&libraries);
    return result;
}

int __real_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *data);
int __wrap_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *data);
int __wrap_dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *data)
{
    enter(&libraries);
    int result = __real_dl_iterate_phdr(visit, data);
    leave(&libraries);
    return result;
}

int __real_dladdr(const void *address, Dl_info *found);
int __wrap_dladdr(const void *address, Dl_info *found);
int __wrap_dladdr(const void *address, Dl_info *found)
{
    enter(&libraries);
    int result = __real_dladdr(address, found);
    leave(&libraries);
    return result;
}

void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name)
{
    enter(&libraries);
    void *result = __real_dlsym(library, name);
    leave(&libraries);
    return result;
}

int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    enter(&resolver);
    int result = __real_getaddrinfo(name, service, hints, found);
    leave(&resolver);
    return result;
}
