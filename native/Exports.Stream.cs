using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Objects as streams: written piece by piece, read at any place.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_writer_open_begin")]
    public static int WriterOpenBegin(ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (target, name) = (Store(store), Key(key, keyLength));
        var (put, level) = Arguments.Save(Json(options), target.Root.Child(name));
        return StreamJobs.OpenWriter(target, name, level, put);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_writer_write_begin")]
    public static int WriterWriteBegin(ulong writer, void* data, ulong length, ulong* outOperation) => Begin(outOperation, () =>
        StreamJobs.Write(Handles.Get<WriterHandle>(writer, "writer"), Arguments.Memory(data, length, "data")));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_writer_finalize_begin")]
    public static int WriterFinalizeBegin(ulong writer, ulong* outOperation) => Begin(outOperation, () =>
        StreamJobs.Complete(Handles.Get<WriterHandle>(writer, "writer")));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_writer_counts")]
    public static int WriterCounts(ulong writer, long* outRaw, long* outStored) => Guard.Run(() =>
    {
        Arguments.Out(outRaw, "out_raw");
        Arguments.Out(outStored, "out_stored");
        (*outRaw, *outStored) = Handles.Get<WriterHandle>(writer, "writer").Counts;
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_writer_close")]
    public static int WriterClose(ulong writer) => Guard.Run(() =>
        Handles.Remove<WriterHandle>(writer, "writer", out var item) ? Call(() => Jobs.Close(item!)) : Guard.Ok);

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_open_begin")]
    public static int ObjectOpenBegin(ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (from, name) = (Store(store), Key(key, keyLength));
        var mode = Decompress.Never;
        foreach (var option in OptionReader.Read(Json(options), from.Root.Child(name)))
            mode = option.Name == "decompress" ? option.AsDecompress() : throw option.Unknown(["decompress"]);
        return StreamJobs.OpenReader(from, name, mode);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_read_begin")]
    public static int ObjectReadBegin(ulong file, long offset, void* data, ulong length, ulong* outOperation) => Begin(outOperation, () =>
        StreamJobs.Read(OpenFile.Get<ReaderHandle>(file, "an object opened for reading"), offset, Arguments.Memory(data, length, "data")));

    internal static Decompress AsDecompress(this NamedOption option) => option.AsChoice("never", "auto", "always") switch
    {
        "auto" => Decompress.Auto,
        "always" => Decompress.Always,
        _ => Decompress.Never,
    };
}
