using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;
using S3dlio.Table;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary>Rows that go out of tables.</summary>
static partial class Tables
{
    /// <summary>Rows that are read at once.</summary>
    const int Batch = 8192;

    static async Task<int> ExportAsync(Invocation run)
    {
        string target = run.Arguments[1];
        using var table = OpenReader(run);
        long rows = table.Count;
        if (target == "-")
        {
            foreach (var (keys, bytes) in Walk(run, table))
                run.Terminal.Bytes(Lines(keys.Span, bytes.Span, table));
            return run.Outcome;
        }
        run.Terminal.Progress.Start();
        if (target.EndsWith(".safetensors", StringComparison.Ordinal))
            await SafetensorsAsync(run, table, target);
        else if (target.EndsWith(".npy", StringComparison.Ordinal))
            await NpyAsync(run, table, target[..^".npy".Length]);
        else if (target.EndsWith(".jsonl", StringComparison.Ordinal))
            await WriteAsync(
                run, target, [], Walk(run, table).Select(one => (ReadOnlyMemory<byte>)Lines(one.Keys.Span, one.Rows.Span, table)));
        else
            throw new UsageException($"table export: {target} ends with none of .safetensors, .npy and .jsonl");
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("rows", rows);
                json.WriteNumber("version", table.Version);
                JsonText.Address(json, "uri", target);
            });
        }
        else
        {
            run.Terminal.Note($"exported {rows} rows of checkpoint {table.Version} to {Quoted.Name(target)}");
        }
        return run.Outcome;
    }

    static async Task SafetensorsAsync(Invocation run, EmbeddingTable table, string target)
    {
        var about = new Dictionary<string, string>
        {
            ["format"] = "s3dlio.EmbeddingTable",
            ["version"] = table.Version.ToString(CultureInfo.InvariantCulture),
            ["step"] = table.Step.ToString(CultureInfo.InvariantCulture),
        };
        var type = table.Options.Type switch { RowType.Float16 => DType.F16, RowType.BFloat16 => DType.BF16, _ => DType.F32 };
        var layout = SafetensorsLayout.Create(
            [new("keys", DType.I64, [table.Count]), new("rows", type, [table.Count, table.Options.Dimension])], about, checksums: false,
            target);
        // a walk for each: what lies first in the file is known behind the first one
        await WriteAsync(run, target, layout.BuildHead([]), layout.Tensors.SelectMany(one => Column(run, table, one.Name == "keys")));
    }

    static async Task NpyAsync(Invocation run, EmbeddingTable table, string stem)
    {
        var (keys, rows) = ($"{stem}.keys.npy", $"{stem}.rows.npy");
        // bfloat16 is no type of .npy: its bits
        string type = table.Options.Type switch { RowType.Float16 => "'<f2'", RowType.BFloat16 => "'<u2'", _ => "'<f4'" };
        await WriteAsync(run, keys, NpyHeader.Build("'<i8'", false, [table.Count], null, keys), Column(run, table, keys: true));
        byte[] head = NpyHeader.Build(type, false, [table.Count, table.Options.Dimension], null, rows);
        await WriteAsync(run, rows, head, Column(run, table, keys: false));
    }

    static async Task WriteAsync(Invocation run, string target, byte[] head, IEnumerable<ReadOnlyMemory<byte>> parts)
    {
        var place = run.Stores.Open(target, wildcards: false);
        await using var output = await ObjectOutput.OpenAsync(place.Store, place.Key, null, PutOptions.Default, run.Cancel);
        await output.WriteAsync(LargeMemory.From(head), run.Terminal.Progress, run.Cancel);
        foreach (var part in parts)
            await output.WriteAsync(LargeMemory.From(MemoryMarshal.AsMemory(part)), run.Terminal.Progress, run.Cancel);
        await output.CompleteAsync(run.Cancel);
    }

    static IEnumerable<ReadOnlyMemory<byte>> Column(Invocation run, EmbeddingTable table, bool keys)
    {
        foreach (var (some, rows) in Walk(run, table))
            yield return keys ? MemoryMarshal.AsBytes(some.Span).ToArray() : rows;
    }

    /// <summary>Keys and rows, in memory that the next step fills anew.</summary>
    static IEnumerable<(ReadOnlyMemory<long> Keys, ReadOnlyMemory<byte> Rows)> Walk(Invocation run, EmbeddingTable table)
    {
        using var scan = table.Scan(run.Cancel);
        var keys = new long[Batch];
        byte[] rows = new byte[Batch * table.RowBytes];
        while (scan.Next(keys, rows) is > 0 and var count)
        {
            run.Cancel.ThrowIfCancellationRequested();
            yield return (keys.AsMemory(0, count), rows.AsMemory(0, count * table.RowBytes));
        }
    }

    /// <summary>An object with key and row for each; numbers that JSON has no name of are null.</summary>
    static byte[] Lines(ReadOnlySpan<long> keys, ReadOnlySpan<byte> rows, EmbeddingTable table)
    {
        using var lines = new MemoryStream();
        float[] numbers = new float[table.Options.Dimension];
        for (int i = 0; i < keys.Length; i++)
        {
            ToFloats(rows.Slice(i * table.RowBytes, table.RowBytes), numbers, table.Options.Type);
            using (var json = new Utf8JsonWriter(lines))
            {
                json.WriteStartObject();
                json.WriteNumber("key", keys[i]);
                json.WriteStartArray("row");
                foreach (float number in numbers)
                {
                    if (float.IsFinite(number))
                        json.WriteNumberValue(number);
                    else
                        json.WriteNullValue();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            }
            lines.WriteByte((byte)'\n');
        }
        return lines.ToArray();
    }

    static void ToFloats(ReadOnlySpan<byte> row, float[] numbers, RowType type)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = type switch
            {
                RowType.Float16 => (float)MemoryMarshal.Cast<byte, Half>(row)[i],
                RowType.BFloat16 => BitConverter.UInt32BitsToSingle((uint)MemoryMarshal.Cast<byte, ushort>(row)[i] << 16),
                _ => MemoryMarshal.Cast<byte, float>(row)[i],
            };
        }
    }

    static Task<int> TopAsync(Invocation run)
    {
        using var table = OpenReader(run);
        int count = run.Integer("count", 10, 1, 1_000_000);
        bool least = run.Has("least");
        // the one that goes first is the least of those that are kept
        var kept = new PriorityQueue<(long Key, double Norm), double>();
        float[] numbers = new float[table.Options.Dimension];
        foreach (var (keys, rows) in Walk(run, table))
        {
            for (int i = 0; i < keys.Length; i++)
            {
                ToFloats(rows.Span.Slice(i * table.RowBytes, table.RowBytes), numbers, table.Options.Type);
                double norm = Math.Sqrt(numbers.Sum(static number => (double)number * number));
                double rank = double.IsNaN(norm) ? double.PositiveInfinity : norm;
                kept.Enqueue((keys.Span[i], norm), least ? -rank : rank);
                if (kept.Count > count)
                    kept.Dequeue();
            }
        }
        var found = new List<(long Key, double Norm)>(kept.Count);
        while (kept.TryDequeue(out var one, out _))
            found.Add(one);
        found.Reverse();
        foreach (var (key, norm) in found)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteNumber("key", key);
                    if (double.IsFinite(norm))
                        json.WriteNumber("norm", norm);
                    else
                        json.WriteString("norm", norm.ToString(CultureInfo.InvariantCulture));
                });
            }
            else
            {
                run.Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{key,20} {norm,16:G9}"));
            }
        }
        run.Terminal.Note($"{found.Count} of {table.Count} rows of checkpoint {table.Version}");
        return Task.FromResult(run.Outcome);
    }
}
