using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Whole objects as operations; what waits for itself is in Exports.ObjectCalls.cs.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_put_begin")]
    public static int ObjectPutBegin(
        ulong store, byte* key, nuint keyLength, SegmentStruct* segments, nuint count, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => Put(store, key, keyLength, segments, count, options));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_get_begin")]
    public static int ObjectGetBegin(ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => Get(store, key, keyLength, options));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_get_range_begin")]
    public static int ObjectGetRangeBegin(
        ulong store, byte* key, nuint keyLength, long offset, long length, void* data, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => GetRange(store, key, keyLength, offset, length, data, options));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_head_begin")]
    public static int ObjectHeadBegin(ulong store, byte* key, nuint keyLength, ulong* outOperation) =>
        Begin(outOperation, () => Near(Store(store), Key(key, keyLength), Jobs.Head));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_exists_begin")]
    public static int ObjectExistsBegin(ulong store, byte* key, nuint keyLength, ulong* outOperation) =>
        Begin(outOperation, () => Near(Store(store), Key(key, keyLength), Jobs.Exists));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_delete_begin")]
    public static int ObjectDeleteBegin(ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => Delete(store, key, keyLength, options));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_copy_begin")]
    public static int ObjectCopyBegin(
        ulong sourceStore, byte* sourceKey, nuint sourceKeyLength, ulong store, byte* key, nuint keyLength, byte* options,
        ulong* outOperation) =>
        Begin(outOperation, () => Move(sourceStore, sourceKey, sourceKeyLength, store, key, keyLength, options, ObjectCopy.CopyAsync));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_rename_begin")]
    public static int ObjectRenameBegin(
        ulong sourceStore, byte* sourceKey, nuint sourceKeyLength, ulong store, byte* key, nuint keyLength, byte* options,
        ulong* outOperation) =>
        Begin(outOperation, () => Move(sourceStore, sourceKey, sourceKeyLength, store, key, keyLength, options, ObjectCopy.RenameAsync));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_directory_create_begin")]
    public static int DirectoryCreateBegin(ulong store, byte* key, nuint keyLength, ulong* outOperation) =>
        Begin(outOperation, () => Near(Store(store), Key(key, keyLength), Jobs.MakeDirectory));

    /// <summary>A look at an object, brief where it lies in this machine.</summary>
    static (Job Work, bool Brief) Near(ObjectStore store, string key, Func<ObjectStore, string, Job> job) =>
        (job(store, key), store.IsQuickAt(key));

    static (Job Work, bool Brief) Put(ulong store, byte* key, nuint keyLength, SegmentStruct* segments, nuint count, byte* options)
    {
        var (target, name) = (Store(store), Key(key, keyLength));
        var payload = new Payload(Arguments.Segments(segments, count));
        var put = Arguments.Put(Json(options), target.Root.Child(name));
        return (Jobs.Put(target, name, payload, put), target.IsBrief(payload.Length, put) && target.IsQuickAt(name));
    }

    static (Job Work, bool Brief) Get(ulong store, byte* key, nuint keyLength, byte* options)
    {
        var (from, name) = (Store(store), Key(key, keyLength));
        var (validation, mode) = ReadOptions(Json(options), from.Root.Child(name));
        return (Jobs.Get(from, name, mode, null, validation), from.IsQuickAt(name));
    }

    /// <summary>With <paramref name="data"/> null the operation allocates; a negative length then means to the end.</summary>
    static (Job Work, bool Brief) GetRange(ulong store, byte* key, nuint keyLength, long offset, long length, void* data, byte* options)
    {
        var (from, name) = (Store(store), Key(key, keyLength));
        if (data is not null && length < 0)
            throw Arguments.Wrong("length", "is negative and 'data' is given: its size must be known");
        var target = data is null ? null : Arguments.Memory(data, (ulong)length, "data");
        var (validation, mode) = ReadOptions(Json(options), from.Root.Child(name));
        return (Jobs.GetRange(from, name, mode, offset, length < 0 ? null : length, target, validation), from.IsQuickAt(name));
    }

    static readonly string[] KnownDelete = ["recursive"];

    static (Job Work, bool Brief) Delete(ulong store, byte* key, nuint keyLength, byte* options)
    {
        var (from, name) = (Store(store), Key(key, keyLength));
        bool recursive = false;
        foreach (var option in OptionReader.Read(Json(options), from.Root.Child(name)))
            recursive = option.Name == "recursive" ? option.AsBool() : throw option.Unknown(KnownDelete);
        return (Jobs.Delete(from, name, recursive), !recursive && !name.EndsWith('/') && from.IsQuickAt(name));
    }

    static Job Move(
        ulong sourceStore, byte* sourceKey, nuint sourceKeyLength, ulong store, byte* key, nuint keyLength, byte* options, Jobs.Mover mover)
    {
        var (to, name) = (Store(store), Key(key, keyLength));
        return Jobs.Move(
            Store(sourceStore), Arguments.Key(sourceKey, sourceKeyLength, "source_key"), to, name,
            Arguments.Put(Json(options), to.Root.Child(name)), mover);
    }

    static string Key(byte* key, nuint length) => Arguments.Key(key, length, "key");

    static string Json(byte* options) => Arguments.Text(options, "options_json");

    static readonly string[] KnownValidation = ["validate", "expected_checksum", "require_validation"];

    static Validation Validate(string json, string uri)
    {
        var result = new Validation(null);
        foreach (var option in OptionReader.Read(json, uri))
            result = Validate(result, option) ?? throw option.Unknown(KnownValidation);
        return result;
    }

    static (Validation Validation, Decompress Mode) ReadOptions(string json, string uri)
    {
        var (validation, mode) = (new Validation(null), Decompress.Never);
        foreach (var option in OptionReader.Read(json, uri))
        {
            if (option.Name == "decompress")
                mode = option.AsDecompress();
            else
                validation = Validate(validation, option) ?? throw option.Unknown([.. KnownValidation, "decompress"]);
        }
        return (validation, mode);
    }

    static Validation? Validate(Validation validation, NamedOption option) => option.Name switch
    {
        "validate" => validation with { Validate = option.AsBool(), Edges = option.AsBool() },
        "require_validation" => option.AsBool() ? validation with { Validate = true, Edges = true, Required = true } : validation,
        "expected_checksum" => validation with { Expected = option.AsChecksum() },
        _ => null,
    };
}
