/* Uses every kind of struct, in arrays where there are such, with a header that may be older or newer than the library. With LATER, structs
 * have a field `later` at their end that no library knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "s3dlio.h"

#define SIZED(type) {.struct_size = sizeof(type)}
#define GUARD 0x5a5a5a5a5a5a5a5aull

static void check(int is_so, const char *what)
{
    s3dlio_error error = SIZED(s3dlio_error);
    if (is_so)
        return;
    s3dlio_last_error(&error);
    fprintf(stderr, "%s: %s\n", what, error.message ? error.message : "no error");
    exit(1);
}

static void ended(int32_t begun, const uint64_t *op, const char *what)
{
    check(begun == S3DLIO_OK && s3dlio_op_wait(*op, -1) == S3DLIO_OK, what);
}

int main(void)
{
    uint64_t store, op, list;
    char left[4] = "", right[4] = "";

    check(s3dlio_abi_version() == S3DLIO_ABI_VERSION, "version");
    check(s3dlio_store_open("memory://caller", NULL, &store) == S3DLIO_OK, "open");

    s3dlio_segment segments[3] = {SIZED(s3dlio_segment), SIZED(s3dlio_segment), SIZED(s3dlio_segment)};
    for (int i = 0; i < 3; i++) {
        segments[i].data = "abcdef" + 2 * i;
        segments[i].length = 2;
    }
    ended(s3dlio_object_put_begin(store, "a", 1, segments, 3, NULL, &op), &op, "put a");
    s3dlio_op_free(op);
    ended(s3dlio_object_put_begin(store, "b", 1, segments + 1, 2, NULL, &op), &op, "put b");
    s3dlio_result result = SIZED(s3dlio_result);
    check(s3dlio_op_result(op, &result) == S3DLIO_OK && strstr(result.json, "\"size\":4") != NULL, "result");
    s3dlio_op_free(op);

    struct { s3dlio_meta meta; uint64_t guard; } meta = {SIZED(s3dlio_meta), GUARD};
    check(s3dlio_object_head(store, "a", 1, &meta.meta) == S3DLIO_OK && meta.meta.size == 6 && meta.guard == GUARD, "head");

    s3dlio_object objects[2] = {SIZED(s3dlio_object), SIZED(s3dlio_object)};
    objects[0].store = objects[1].store = store;
    objects[0].key = "a";
    objects[1].key = "b";
    objects[0].key_length = objects[1].key_length = 1;
    ended(s3dlio_objects_get_begin(objects, 2, NULL, &op), &op, "get");
    struct { s3dlio_item items[2]; uint64_t guard; } taken = {{SIZED(s3dlio_item)}, GUARD};
    check(s3dlio_op_take_items(op, 2, taken.items) == S3DLIO_OK && taken.guard == GUARD, "take");
    check(taken.items[0].length == 6 && memcmp(taken.items[0].data, "abcdef", 6) == 0, "item 0");
    check(taken.items[1].struct_size == sizeof taken.items[1] && taken.items[1].length == 4 && memcmp(taken.items[1].data, "cdef", 4) == 0, "item 1");
    s3dlio_op_free(op);

    s3dlio_object_read stretches[2] = {SIZED(s3dlio_object_read), SIZED(s3dlio_object_read)};
    stretches[0].data = left;
    stretches[1].data = right;
    stretches[0].length = stretches[1].length = 3;
    stretches[0].offset = 1;
    stretches[1].object = 1;
    ended(s3dlio_objects_scatter_begin(objects, 2, stretches, 2, NULL, &op), &op, "scatter");
    check(memcmp(left, "bcd", 3) == 0 && memcmp(right, "cde", 3) == 0, "stretches");
    s3dlio_op_free(op);

    struct { s3dlio_entry entry; uint64_t guard; } entry = {SIZED(s3dlio_entry), GUARD};
    check(s3dlio_list_open(store, "", 0, NULL, &list) == S3DLIO_OK, "list");
    check(s3dlio_list_next(list, &entry.entry) == S3DLIO_OK && entry.entry.size == 6 && entry.guard == GUARD, "entry");

    /* what cannot be right: sizes that differ, none, too small, no size at all, something in reserved */
    const uint32_t wrong[] = {0, 8, sizeof segments[0] + 4, 1 << 20};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        segments[1].struct_size = wrong[i];
        check(s3dlio_object_put_begin(store, "c", 1, segments, 3, NULL, &op) == S3DLIO_INVALID_ARGUMENT, "a size unlike the first one's");
        check(s3dlio_object_put_begin(store, "c", 1, segments + 1, 1, NULL, &op) == S3DLIO_INVALID_ARGUMENT, "a wrong size");
    }
    segments[1].struct_size = sizeof segments[1];
    segments[1].reserved = 1;
    check(s3dlio_object_put_begin(store, "c", 1, segments, 3, NULL, &op) == S3DLIO_INVALID_ARGUMENT, "something in reserved");

    struct { s3dlio_error error; uint64_t guard; } error = {SIZED(s3dlio_error), GUARD};
    check(s3dlio_last_error(&error.error) == S3DLIO_OK && error.error.kind == S3DLIO_INVALID_ARGUMENT && error.guard == GUARD, "last error");
    check(strstr(error.error.message, "segments[1]") != NULL, "which struct it was");

#ifdef LATER
    stretches[1].later = 1;
    check(s3dlio_objects_scatter_begin(objects, 2, stretches, 2, NULL, &op) == S3DLIO_INVALID_ARGUMENT, "a field that no library knows");
    check(s3dlio_last_error(&error.error) == S3DLIO_OK && strstr(error.error.message, "newer library") != NULL, "what it asks for");
    meta.meta.later = GUARD;
    check(s3dlio_object_head(store, "a", 1, &meta.meta) == S3DLIO_OK && meta.meta.later == GUARD, "a later field of a result");
#endif
    puts("all as it should be");
    return 0;
}
