using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Native;

static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_tensors_save_begin")]
    public static int TensorsSaveBegin(
        ulong store, byte* key, nuint keyLength, byte* description, SegmentStruct* segments, nuint count, byte* options,
        ulong* outOperation) =>
        Begin(outOperation, () =>
        {
            var (target, name) = (Store(store), Key(key, keyLength));
            var (put, level) = Arguments.Save(Json(options), target.Root.Child(name));
            return TensorJobs.SaveTensors(
                target, name, Arguments.Text(description, "description_json"), Arguments.Segments(segments, count), level, put);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_tensors_open_begin")]
    public static int TensorsOpenBegin(ulong store, byte* key, nuint keyLength, ulong* outOperation) =>
        Begin(outOperation, () => Near(Store(store), Key(key, keyLength), TensorJobs.OpenTensors));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_tensors_read_begin")]
    public static int TensorsReadBegin(ulong file, TensorReadStruct* reads, nuint count, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var tensors = OpenFile.Get<SafetensorsObject>(file, "a tensor file");
        var wanted = new (int, LargeMemory)[Arguments.Count(reads, count, "reads")];
        var all = new Structs.Inputs<TensorReadStruct>(reads, wanted.Length, "reads");
        for (int i = 0; i < wanted.Length; i++)
        {
            var read = all[i];
            wanted[i] = (Index(read.Tensor), Arguments.Memory(read.Data, read.Length, $"reads[{i}]"));
        }
        var (validation, held) = (new Validation(null), false);
        foreach (var option in OptionReader.Read(Json(options), tensors.Meta.Key))
        {
            if (option.Name == "held")
                held = option.AsBool();
            else
                validation = Validate(validation, option) ?? throw option.Unknown([.. KnownValidation, "held"]);
        }
        if (validation.Expected is not null)
            throw Arguments.Wrong(
                "options_json", "has 'expected_checksum', which stands for a whole object; a tensor file holds one for each tensor");
        return held ? TensorJobs.CompareTensors(tensors, wanted, validation) : TensorJobs.ReadTensors(tensors, wanted, validation);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_tensors_slice_begin")]
    public static int TensorsSliceBegin(
        ulong file, ulong tensor, long* starts, long* stops, long* steps, nuint rank, void* data, ulong length,
        ulong* outOperation) => Begin(outOperation, () =>
        {
            var tensors = OpenFile.Get<SafetensorsObject>(file, "a tensor file");
            if (rank > SafetensorsHeader.MaxRank)
                throw Arguments.Wrong("rank", $"is {rank}; a tensor has at most {SafetensorsHeader.MaxRank} dimensions");
            if (rank > 0 && (starts is null || stops is null || steps is null))
                throw Arguments.Wrong("starts", "or 'stops' or 'steps' is a null pointer with a rank");
            var slice = new DimSlice[(int)rank];
            for (int i = 0; i < slice.Length; i++)
                slice[i] = new DimSlice(starts[i], stops[i], steps[i]);
            return TensorJobs.ReadSlice(tensors, Index(tensor), slice, Arguments.Memory(data, length, "data"));
        });

    /// <summary>Beyond the range of an index it is no tensor's, which is said where the file is known.</summary>
    static int Index(ulong tensor) => tensor > int.MaxValue ? -1 : (int)tensor;
}

/// <summary>struct s3dlio_tensor_read</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct TensorReadStruct : ISizedStruct
{
    public uint StructSize;
    public uint Reserved;
    public void* Data;
    public ulong Length;
    public ulong Tensor;

    public static int LeastSize => sizeof(TensorReadStruct);
}
