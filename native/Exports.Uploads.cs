using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Unfinished multipart uploads.</summary>
static unsafe partial class Exports
{
    static readonly string[] KnownUploads = ["older_than"];

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_uploads_list_begin")]
    public static int UploadsListBegin(ulong store, byte* path, nuint pathLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => OnUploads(store, path, pathLength, options, UploadJobs.List));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_uploads_abort_begin")]
    public static int UploadsAbortBegin(ulong store, byte* path, nuint pathLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () => OnUploads(store, path, pathLength, options, UploadJobs.Abort));

    static Job OnUploads(ulong store, byte* path, nuint pathLength, byte* options, Func<ObjectStore, string, TimeSpan, Job> job)
    {
        var (from, start) = (Store(store), Arguments.Key(path, pathLength, "path"));
        ObjectKey.CheckPrefix(from.Root, start);
        var age = TimeSpan.Zero;
        foreach (var option in OptionReader.Read(Json(options), from.Root.Child(start)))
            age = option.Name == "older_than" ? option.AsSeconds() : throw option.Unknown(KnownUploads);
        return job(from, start, age);
    }
}
