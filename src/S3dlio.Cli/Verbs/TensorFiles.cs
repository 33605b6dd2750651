using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary><c>npy</c> and <c>tensors</c>: what is in arrays and safetensors files.</summary>
static class TensorFiles
{
    static readonly Positional Files = new("FILE", "safetensors objects, or wildcards", Many: true);

    public static readonly Verb Npy = new("npy", "show type and shape of .npy arrays, reading their headers only", NpyAsync)
    {
        Positionals = [new("FILE", "objects, or wildcards", Many: true)],
    };

    public static readonly Verb Verb = new("tensors", "look into safetensors files", null)
    {
        Verbs =
        [
            new("list", "name, type, shape and size of each tensor, reading headers only", ListAsync) { Positionals = [Files],
                Examples = ["s3dlio tensors list 's3://bucket/model-*.safetensors'"] },
            new("head", "the first values of tensors", HeadAsync)
            {
                Positionals = [new("FILE", "the object"), new("TENSOR", "names; all of them", Least: 0, Many: true)],
                Options = [Option.Of("number", 'n', "N", "so many values (8)")],
            },
            new("diff", "compare two files, tensor by tensor", DiffAsync)
            {
                Positionals = [new("LEFT", "the object"), new("RIGHT", "the other")],
                Details = "Tensors go by their names, wherever they lie. Exit code 3 tells of differences: only left, only right, "
                    + "another type or shape, other bytes.",
            },
            new("verify", "read every tensor and compare it with its checksum", VerifyAsync) { Positionals = [Files],
                Details = "Exit code 3 tells of damage." },
            new("extract", "write one tensor, or a slice of it, as a .npy array", ExtractAsync)
            {
                Positionals = [new("FILE", "the object"), new("TENSOR", "its name"), new("OUTPUT", "the array, on any store, or '-'")],
                Options = [Option.Of("slice", '\0', "SLICE", "such as 0:10,::2 as NumPy has it, of positive steps")],
                Examples = ["s3dlio tensors extract model.safetensors lm_head.weight --slice 0:100 head.npy"],
            },
        ],
    };

    static async Task<int> NpyAsync(Invocation run)
    {
        foreach (string name in run.Arguments)
        {
            await EachAsync(run, name, async found =>
            {
                await using var array = await NpyObject.OpenAsync(found.Place.Store, found.Meta.Key, run.Cancel);
                var header = array.Header;
                string shape = Shape(header.Shape);
                if (run.Terminal.Json)
                {
                    run.Terminal.Object(json =>
                    {
                        JsonText.Address(json, "uri", found.Address);
                        json.WriteString("descr", header.Descr.Trim('\''));
                        json.WriteStartArray("shape");
                        foreach (long side in header.Shape)
                            json.WriteNumberValue(side);
                        json.WriteEndArray();
                        json.WriteBoolean("fortran_order", header.FortranOrder);
                        json.WriteNumber("data_offset", header.DataOffset);
                        json.WriteNumber("size", array.Meta.Size);
                    });
                }
                else
                {
                    run.Terminal.Line($"{header.Descr.Trim('\''),-8}{shape,-24}{(header.FortranOrder ? "F" : "C")} "
                        + $"{array.DataLength,14} {Quoted.Name(found.Address)}");
                }
            });
        }
        return run.Outcome;
    }

    static async Task<int> ListAsync(Invocation run)
    {
        foreach (string name in run.Arguments)
        {
            await EachAsync(run, name, async found =>
            {
                await using var file = await SafetensorsObject.OpenAsync(found.Place.Store, found.Meta.Key, run.Cancel);
                if (!run.Terminal.Json && run.Arguments.Count > 1)
                    run.Terminal.Line($"{Quoted.Name(found.Address)}:");
                foreach (var tensor in file.Header.Tensors)
                {
                    if (run.Terminal.Json)
                    {
                        run.Terminal.Object(json =>
                        {
                            JsonText.Address(json, "uri", found.Address);
                            json.WriteString("name", tensor.Name);
                            json.WriteString("dtype", tensor.DType.Name());
                            json.WriteStartArray("shape");
                            foreach (long side in tensor.Shape)
                                json.WriteNumberValue(side);
                            json.WriteEndArray();
                            json.WriteNumber("size", tensor.Length);
                            if (tensor.Checksum is { } checksum)
                                json.WriteString("checksum", checksum.ToString());
                        });
                    }
                    else
                    {
                        run.Terminal.Line($"{tensor.DType.Name(),-8}{Shape(tensor.Shape),-24}{tensor.Length,14} "
                            + $"{Quoted.Name(tensor.Name)}");
                    }
                }
                run.Terminal.Note($"{file.Header.Tensors.Count} tensors, "
                    + $"{Quantity.Show(file.Header.Tensors.Sum(static tensor => (double)tensor.Length))}");
            });
        }
        return run.Outcome;
    }

    static async Task<int> HeadAsync(Invocation run)
    {
        int count = run.Integer("number", 8, 1, 1 << 20);
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        await using var file = await SafetensorsObject.OpenAsync(place.Store, place.Key, run.Cancel);
        string[] wanted = run.Arguments.Count > 1 ? [.. run.Arguments.Skip(1)]
            : [.. file.Header.Tensors.Select(static tensor => tensor.Name)];
        foreach (string name in wanted)
        {
            var (number, tensor) = Find(file, place, name);
            int bytes = Math.Max(1, tensor.DType.Bits() / 8);
            byte[] data = new byte[Math.Min(tensor.Length, (long)bytes * count)];
            // the first values are a slice of the flat tensor: no more of it is read
            await ReadFlatAsync(file, number, tensor, data, run.Cancel);
            run.Terminal.Line($"{Quoted.Name(name)} {tensor.DType.Name()} {Shape(tensor.Shape)}: "
                + $"{TensorValues.Show(tensor.DType, data)}{(data.Length < tensor.Length ? " …" : "")}");
        }
        return run.Outcome;
    }

    static async ValueTask ReadFlatAsync(SafetensorsObject file, int number, TensorEntry tensor, byte[] data, CancellationToken cancel)
    {
        if (data.Length == 0)
            return;
        // whole rows of the first dimension, as many as hold the values
        long row = tensor.Shape.Count == 0 ? tensor.Length : Math.Max(1, tensor.Length / tensor.Shape[0]);
        long rows = tensor.Shape.Count == 0 ? 1 : (data.Length + row - 1) / row;
        byte[] whole = new byte[rows * row];
        var slices = tensor.Shape.Select((side, i) => i == 0 ? new DimSlice(0, rows, 1) : DimSlice.All(side)).ToArray();
        await file.ReadSliceAsync(number, slices, LargeMemory.From(whole.AsMemory()), Unheard.Instance, cancel);
        whole.AsSpan(0, data.Length).CopyTo(data);
    }

    static async Task<int> DiffAsync(Invocation run)
    {
        var (one, two) = (run.Stores.Open(run.Arguments[0], wildcards: false), run.Stores.Open(run.Arguments[1], wildcards: false));
        await using var left = await SafetensorsObject.OpenAsync(one.Store, one.Key, run.Cancel);
        await using var right = await SafetensorsObject.OpenAsync(two.Store, two.Key, run.Cancel);
        var there = right.Header.Tensors.Select(static (tensor, i) => (tensor, i))
            .ToDictionary(static pair => pair.tensor.Name, StringComparer.Ordinal);
        int same = 0, different = 0;
        void Tell(string name, string what)
        {
            different++;
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("name", name);
                    json.WriteString("difference", what);
                });
            }
            else
            {
                run.Terminal.Line($"{what}: {Quoted.Name(name)}");
            }
        }
        for (int i = 0; i < left.Header.Tensors.Count; i++)
        {
            var tensor = left.Header.Tensors[i];
            if (!there.Remove(tensor.Name, out var other))
                Tell(tensor.Name, "only left");
            else if (tensor.DType != other.tensor.DType)
                Tell(tensor.Name, $"type {tensor.DType.Name()} and {other.tensor.DType.Name()}");
            else if (!tensor.Shape.SequenceEqual(other.tensor.Shape))
                Tell(tensor.Name, $"shape {Shape(tensor.Shape)} and {Shape(other.tensor.Shape)}");
            else if ((tensor.Checksum ?? await SumAsync(left, i, run.Cancel)) != (other.tensor.Checksum
                ?? await SumAsync(right, other.i, run.Cancel)))
                Tell(tensor.Name, "bytes differ");
            else
                same++;
        }
        foreach (string name in there.Keys)
            Tell(name, "only right");
        run.Terminal.Note($"{same} same, {different} different");
        return different > 0 ? ExitCode.Differences : run.Outcome;
    }

    static async ValueTask<Checksum> SumAsync(SafetensorsObject file, int number, CancellationToken cancel)
    {
        byte[] data = await ReadAsync(file, number, cancel);
        return Checksum.Of(data);
    }

    static async ValueTask<byte[]> ReadAsync(SafetensorsObject file, int number, CancellationToken cancel)
    {
        byte[] data = GC.AllocateUninitializedArray<byte>(checked((int)file.Header.Tensors[number].Length));
        await file.ReadAsync([(number, LargeMemory.From(data.AsMemory()))], new Validation(null), Unheard.Instance, cancel);
        return data;
    }

    static async Task<int> VerifyAsync(Invocation run)
    {
        int good = 0, damaged = 0, unknown = 0;
        foreach (string name in run.Arguments)
        {
            await EachAsync(run, name, async found =>
            {
                await using var file = await SafetensorsObject.OpenAsync(found.Place.Store, found.Meta.Key, run.Cancel);
                for (int i = 0; i < file.Header.Tensors.Count; i++)
                {
                    var tensor = file.Header.Tensors[i];
                    string address = $"{found.Address}: {tensor.Name}";
                    try
                    {
                        await ReadAsync(file, i, run.Cancel);
                        _ = tensor.Checksum is null ? unknown++ : good++;
                        if (run.Terminal.Verbose)
                            run.Terminal.Line($"{(tensor.Checksum is null ? "nothing recorded" : "good")}: {Quoted.Name(address)}");
                    }
                    catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
                    {
                        damaged++;
                        run.Terminal.Line($"damaged: {Quoted.Name(address)}: {Quoted.Text(error.Detail)}");
                    }
                }
            });
        }
        run.Terminal.Note($"{good} good, {damaged} damaged, {unknown} with nothing recorded");
        return damaged > 0 ? ExitCode.Differences : run.Outcome;
    }

    static async Task<int> ExtractAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        await using var file = await SafetensorsObject.OpenAsync(place.Store, place.Key, run.Cancel);
        var (number, tensor) = Find(file, place, run.Arguments[1]);
        string descr = TensorValues.Descr(tensor.DType) ?? throw new StoreException(ErrorKind.InvalidArgument, place.ToString(),
            $"tensor '{tensor.Name}' is of type {tensor.DType.Name()}, for which NumPy has none");
        long[] shape = [.. tensor.Shape];
        byte[] data;
        if (run.Text("slice") is { } text)
        {
            var slices = Slices(text, shape);
            shape = [.. slices.Select(static slice => slice.Count)];
            data = new byte[shape.Aggregate(tensor.DType.Bits() / 8L, static (size, side) => checked(size * side))];
            await file.ReadSliceAsync(number, slices, LargeMemory.From(data.AsMemory()), Unheard.Instance, run.Cancel);
        }
        else
        {
            data = await ReadAsync(file, number, run.Cancel);
        }
        byte[] header = NpyHeader.Build($"'{descr}'", false, shape, null, run.Arguments[2]);
        if (run.Arguments[2] == "-")
        {
            run.Terminal.Bytes(header);
            run.Terminal.Bytes(data);
            return run.Outcome;
        }
        var target = run.Stores.Open(run.Arguments[2], wildcards: false);
        await NpyObject.SaveAsync(target.Store, target.Key, header, LargeMemory.From(data.AsMemory()), null, PutOptions.Default,
            Unheard.Instance, run.Cancel);
        return run.Outcome;
    }

    static (int Number, TensorEntry Tensor) Find(SafetensorsObject file, Place place, string name)
    {
        for (int i = 0; i < file.Header.Tensors.Count; i++)
        {
            if (file.Header.Tensors[i].Name == name)
                return (i, file.Header.Tensors[i]);
        }
        throw new StoreException(ErrorKind.NotFound, place.ToString(),
            $"there is no tensor '{name}'; 's3dlio tensors list' names those there are");
    }

    static DimSlice[] Slices(string text, long[] shape)
    {
        string[] parts = text.Split(',');
        if (parts.Length > shape.Length)
            throw new UsageException($"--slice: '{text}' has {parts.Length} dimensions, the tensor {shape.Length}");
        return [.. shape.Select((side, i) => i < parts.Length ? Slice(parts[i], side, text) : DimSlice.All(side))];
    }

    static DimSlice Slice(string part, long side, string text)
    {
        string[] ends = part.Split(':');
        long Number(string one, long otherwise) => one.Trim().Length == 0 ? otherwise
            : long.TryParse(one, NumberStyles.AllowLeadingSign | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                CultureInfo.InvariantCulture, out long number) ? number
            : throw new UsageException($"--slice: '{text}' is no slice; write one such as 0:10,::2");
        long Bound(long end) => Math.Clamp(end < 0 ? end + side : end, 0, side);
        if (ends.Length == 1)
        {
            long at = Number(ends[0], 0);
            at = at < 0 ? at + side : at;
            return at >= 0 && at < side ? new DimSlice(at, at + 1, 1)
                : throw new UsageException($"--slice: {part} is outside of a dimension of {side}");
        }
        long step = ends.Length > 2 ? Number(ends[2], 1) : 1;
        if (ends.Length > 3 || step < 1)
            throw new UsageException($"--slice: '{text}': steps are 1 or more");
        long start = Bound(Number(ends[0], 0));
        return new DimSlice(start, Math.Max(start, Bound(Number(ends[1], side))), step);
    }

    static async Task EachAsync(Invocation run, string name, Func<Found, Task> work)
    {
        try
        {
            await foreach (var found in Tree.FindAsync(run.Stores.Open(name), recursive: false, new Filter(), run.Cancel))
            {
                try
                {
                    await work(found);
                }
                catch (StoreException error)
                {
                    run.Terminal.Failure(error);
                }
            }
        }
        catch (StoreException error)
        {
            run.Terminal.Failure(error);
        }
    }

    public static string Shape(IReadOnlyList<long> shape) => $"({string.Join(", ", shape)}{(shape.Count == 1 ? "," : "")})";
}

/// <summary>Who asks for no progress.</summary>
sealed class Unheard : ITransferProgress
{
    public static readonly Unheard Instance = new();

    public void Begin(long total)
    {
        // nobody listens
    }

    public void Report(long value)
    {
        // nobody listens
    }
}
