using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Native;

static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_array_save_begin")]
    public static int ArraySaveBegin(
        ulong store, byte* key, nuint keyLength, byte* header, void* data, ulong length, byte* options,
        ulong* outOperation) => Begin(outOperation, () =>
        {
            var (target, name) = (Store(store), Key(key, keyLength));
            string uri = target.Root.Child(name);
            var (put, level) = Arguments.Save(Json(options), uri);
            var job = TensorJobs.SaveArray(
                target, name, TensorJson.ParseArray(Arguments.Text(header, "header_json"), uri), Arguments.Memory(data, length, "data"),
                level, put);
            return (job, level is null && target.IsBrief((long)length, put) && target.IsQuickAt(name));
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_array_open_begin")]
    public static int ArrayOpenBegin(ulong store, byte* key, nuint keyLength, ulong* outOperation) =>
        Begin(outOperation, () => Near(Store(store), Key(key, keyLength), TensorJobs.OpenArray));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_array_read_begin")]
    public static int ArrayReadBegin(ulong file, void* data, ulong length, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var array = OpenFile.Get<NpyObject>(file, "an array file");
        var job = TensorJobs.ReadArray(array, Arguments.Memory(data, length, "data"), Validate(Json(options), array.Meta.Key));
        return (job, array.IsNear && array.Meta.Size <= ObjectStore.BriefLength);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_file_close")]
    public static int FileClose(ulong file) => Guard.Run(() =>
        Handles.Remove<OpenFile>(file, "file", out var item) ? Call(() => Jobs.Close(item!)) : Guard.Ok);
}
