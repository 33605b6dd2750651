/* Runs when the library is loaded, before its runtime starts with the first call: makes the memory ready that the runtime's start fills.
 *
 * The compiler keeps the program's type data packed; the runtime unpacks it, about 5 MiB, into the end of .bss, touching every page. The
 * faults of 1300 small pages cost as much as the unpacking; those of three large ones next to nothing. Forked children pay again, each
 * for its own copy of the library.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

/* makes the loader (glibc 2.35 or later; older ones do as they like) begin .bss on a large page */
static char first[1] __attribute__((aligned(LARGE_PAGE), used));
/* the linker's: .bss and what is like it end here */
extern char _end[] __attribute__((visibility("hidden")));

__attribute__((constructor)) static void prepare_memory(void)
{
    uintptr_t begin = ((uintptr_t)first + PAGE - 1) & -(uintptr_t)PAGE;
    uintptr_t mapped = ((uintptr_t)_end + PAGE - 1) & -(uintptr_t)PAGE;
    uintptr_t end = (mapped + LARGE_PAGE - 1) & -(uintptr_t)LARGE_PAGE;

    /* the last large page whole, if no other mapping has the rest of it */
    if (end == mapped || mmap((void *)mapped, end - mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)mapped)
        end = mapped;
    /* both are wishes: a kernel that does not know one leaves things as they are */
    (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    (void)madvise((void *)begin, mapped - begin, MADV_POPULATE_WRITE);
}
