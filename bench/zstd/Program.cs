// Zstandard by libzstd and by ZstdSharp.Port, its translation to C#: for each level, seconds of a core for a GB (10^9 raw bytes) to
// compress and to decompress, medians of runs in turns, and the compressed size. Arguments: files to compress; without, three made inputs
// of 32 MiB.
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Compression;

const int Runs = 7, Length = 32 << 20;

int[] levels = [1, 3, 9];
(string Name, byte[] Data)[] inputs = args.Length > 0
    ? [.. args.Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))]
    : [("log lines", Lines()), ("float32, half zeros", Sparse()), ("int64 tokens", Tokens())];

Console.WriteLine("input                 level     libzstd s/GB       ZstdSharp s/GB     times    size libzstd   ZstdSharp");
foreach (var (name, data) in inputs)
{
    foreach (int level in levels)
    {
        var native = new Native(level);
        using var managed = new Managed(level);
        byte[][] frames = native.Compress(data), others = managed.Compress(data);
        if (!managed.Decompress(frames, data.Length).AsSpan().SequenceEqual(data)
                || !native.Decompress(others, data.Length).AsSpan().SequenceEqual(data))
            throw new InvalidOperationException($"{name}: what one compressed the other does not give back");
        var times = new double[4, Runs];
        for (int run = 0; run < Runs; run++)
        {
            times[0, run] = Time(() => native.Compress(data));
            times[1, run] = Time(() => managed.Compress(data));
            times[2, run] = Time(() => native.Decompress(frames, data.Length));
            times[3, run] = Time(() => managed.Decompress(frames, data.Length));
        }
        double[] medians =
            [.. Enumerable.Range(0, 4).Select(
                    side => Enumerable.Range(0, Runs).Select(run => times[side, run]).Order().ElementAt(Runs / 2) / data.Length * 1e9)];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name,-22}{level,5}   c {medians[0],5:F2}  d {medians[2],5:F2}   c {medians[1],5:F2}  d {medians[3],5:F2}   "
            + $"{medians[1] / medians[0]:F2}, {medians[3] / medians[2]:F2}   "
            + $"{frames.Sum(f => (double)f.Length) / data.Length:F3}       {others.Sum(f => (double)f.Length) / data.Length:F3}"));
    }
}

static double Time(Action action)
{
    long begun = Stopwatch.GetTimestamp();
    action();
    return Stopwatch.GetElapsedTime(begun).TotalSeconds;
}

static byte[] Lines()
{
    var random = new Random(1);
    var text = new StringBuilder();
    while (text.Length < Length)
        text.Append(CultureInfo.InvariantCulture,
            $"step={text.Length / 80} loss={random.NextDouble():F5} lr={1e-3 / (1 + random.Next(9)):E3} rank={random.Next(8)} "
            + $"samples/s={random.Next(900, 1100)}\n");
    return Encoding.ASCII.GetBytes(text.ToString(0, Length));
}

static byte[] Sparse()
{
    var random = new Random(2);
    var values = new float[Length / sizeof(float)];
    for (int i = 0; i < values.Length; i++)
        values[i] = random.Next(2) == 0 ? 0 : random.NextSingle();
    return MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}

static byte[] Tokens()
{
    var random = new Random(3);
    var values = new long[Length / sizeof(long)];
    for (int i = 0; i < values.Length; i++)
        values[i] = (long)Math.Pow(32_000, random.NextDouble());
    return MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}

sealed class Native
{
    readonly CompressionContext _compression = Libzstd.CreateCompression();
    readonly DecompressionContext _decompression = Libzstd.CreateDecompression();
    readonly byte[] _room = new byte[(int)Libzstd.CompressBound(1 << 20)];

    public Native(int level) => Libzstd.SetParameter(_compression, Libzstd.CompressionLevel, level);

    public byte[][] Compress(byte[] data) => [.. data.Chunk(1 << 20).Select(piece =>
    {
        nuint length = Libzstd.Compress(_compression, ref _room[0], (nuint)_room.Length, ref piece[0], (nuint)piece.Length);
        return Libzstd.IsError(length) == 0 ? _room[..(int)length] : throw new InvalidOperationException(Libzstd.Describe(length));
    })];

    public byte[] Decompress(byte[][] frames, int length)
    {
        var target = new byte[length];
        int at = 0;
        foreach (byte[] frame in frames)
            at += (int)Libzstd.Decompress(_decompression, ref target[at], (nuint)(length - at), ref frame[0], (nuint)frame.Length);
        return target;
    }
}

sealed class Managed(int level) : IDisposable
{
    readonly ZstdSharp.Compressor _compressor = new(level);
    readonly ZstdSharp.Decompressor _decompressor = new();

    public void Dispose()
    {
        _compressor.Dispose();
        _decompressor.Dispose();
    }

    public byte[][] Compress(byte[] data) => [.. data.Chunk(1 << 20).Select(piece => _compressor.Wrap(piece).ToArray())];

    public byte[] Decompress(byte[][] frames, int length)
    {
        var target = new byte[length];
        int at = 0;
        foreach (byte[] frame in frames)
            at += _decompressor.Unwrap(frame, target, at);
        return target;
    }
}
