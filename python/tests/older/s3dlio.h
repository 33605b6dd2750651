/* What a caller was compiled with that is older than the library: the structs of include/s3dlio.h in the least sizes of ABI version 2, and
 * the functions that caller.c uses. Never changed: whatever fields structs get later, this caller goes on working. */
#ifndef S3DLIO_H
#define S3DLIO_H

#include <stddef.h>
#include <stdint.h>

#define S3DLIO_ABI_VERSION 2

enum { S3DLIO_END = -2, S3DLIO_OK = 0, S3DLIO_INVALID_ARGUMENT = 6, S3DLIO_CHECKSUM_MISMATCH = 8 };

typedef struct s3dlio_error {
    uint32_t struct_size;
    int32_t kind;
    int64_t offset;
    const char *message;
    const char *uri;
    const char *detail;
} s3dlio_error;

typedef struct s3dlio_result {
    uint32_t struct_size;
    uint32_t reserved;
    const char *json;
    uint64_t json_length;
    void *data;
    uint64_t data_length;
} s3dlio_result;

typedef struct s3dlio_segment {
    uint32_t struct_size;
    uint32_t reserved;
    const void *data;
    uint64_t length;
} s3dlio_segment;

typedef struct s3dlio_object {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t store;
    const char *key;
    size_t key_length;
} s3dlio_object;

typedef struct s3dlio_item {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t buffer;
    void *data;
    uint64_t length;
} s3dlio_item;

typedef struct s3dlio_object_read {
    uint32_t struct_size;
    uint32_t reserved;
    void *data;
    uint64_t length;
    uint64_t offset;
    uint64_t object;
} s3dlio_object_read;

typedef struct s3dlio_meta {
    uint32_t struct_size;
    uint32_t has_checksum;
    uint64_t size;
    int64_t last_modified;
    uint32_t crc32c;
    uint32_t reserved;
    char etag[128];
    char content_type[128];
} s3dlio_meta;

typedef struct s3dlio_entry {
    uint32_t struct_size;
    uint32_t is_prefix;
    const char *key;
    size_t key_length;
    uint64_t size;
    int64_t last_modified;
} s3dlio_entry;

uint32_t s3dlio_abi_version(void);
int32_t s3dlio_last_error(s3dlio_error *out_error);
int32_t s3dlio_store_open(const char *uri, const char *options_json, uint64_t *out_store);
int32_t s3dlio_op_wait(uint64_t op, int32_t timeout_ms);
int32_t s3dlio_op_result(uint64_t op, s3dlio_result *out_result);
int32_t s3dlio_op_free(uint64_t op);
int32_t s3dlio_object_put_begin(uint64_t store, const char *key, size_t key_length, const s3dlio_segment *segments,
                                size_t count, const char *options_json, uint64_t *out_op);
int32_t s3dlio_object_head(uint64_t store, const char *key, size_t key_length, s3dlio_meta *out_meta);
int32_t s3dlio_objects_get_begin(const s3dlio_object *objects, size_t count, const char *options_json, uint64_t *out_op);
int32_t s3dlio_op_take_items(uint64_t op, size_t count, s3dlio_item *out_items);
int32_t s3dlio_objects_scatter_begin(const s3dlio_object *objects, size_t object_count, const s3dlio_object_read *stretches,
                                     size_t count, const char *options_json, uint64_t *out_op);
int32_t s3dlio_list_open(uint64_t store, const char *path, size_t path_length, const char *options_json, uint64_t *out_list);
int32_t s3dlio_list_next(uint64_t list, s3dlio_entry *out_entry);

#endif
