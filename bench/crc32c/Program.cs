// Checksums and hashes side by side, ours and those of System.IO.Hashing: GB/s (10^9 bytes), median / best of the samples, one core.
// Kernels take turns within each sample, so that a busy moment of the machine hits all of them. Warm blocks are read again and again; the
// cold one is larger than any cache. Arguments: sizes in bytes, and which functions (crc32c, crc32, crc64nvme, xxh64); all without.
using System.Diagnostics;
using System.Globalization;
using System.IO.Hashing;
using System.Numerics;
using System.Runtime.InteropServices;
using S3dlio.Hashing;
using Crc32 = System.IO.Hashing.Crc32;
using Crc64 = System.IO.Hashing.Crc64;
using XxHash64 = System.IO.Hashing.XxHash64;

const int Samples = 15;
const long WarmBytesPerSample = 64L << 20;

Function[] functions =
[
    new("crc32c", [
        new("dispatch", (crc, data) => Crc32C.Append((uint)crc, data)),
        new("table", (crc, data) => Crc32C.AppendTable((uint)crc, data)),
        new("System.IO", (_, data) => Crc32.HashToUInt32(Crc32ParameterSet.Crc32C, data), Chained: false),
        new("BitOperations", (crc, data) => OneLane((uint)crc, data)),
        .. Crc32C.X86.IsSupported ? new Kernel[]
        {
            new("x86 fused", (crc, data) => Crc32C.AppendX86((uint)crc, data)),
            new("x86 one lane", (crc, data) => Crc32C.AppendLanes<Crc32C.X86, ulong>((uint)crc, data, int.MaxValue)),
            new("x86 lanes", (crc, data) => Crc32C.AppendLanes<Crc32C.X86, ulong>((uint)crc, data)),
        } : [],
        .. Crc32C.Arm.IsSupported ? new Kernel[] { new("arm lanes", (crc, data) => Crc32C.AppendArm((uint)crc, data)) } : [],
    ]),
    new("crc32", [
        new("ours", (crc, data) => S3dlio.Hashing.Crc32.Append((uint)crc, data)),
        new("System.IO", (_, data) => Crc32.HashToUInt32(data), Chained: false),
    ]),
    new("crc64nvme", [
        new("ours", S3dlio.Hashing.Crc64.Append),
        new("System.IO", (_, data) => Crc64.HashToUInt64(Crc64ParameterSet.Nvme, data), Chained: false),
    ]),
    new("xxh64", [
        new("ours", (_, data) => S3dlio.Hashing.XxHash64.Compute(data), Chained: false),
        new("System.IO", (_, data) => XxHash64.HashToUInt64(data), Chained: false),
    ]),
];
string[] names = [.. args.Where(a => !char.IsDigit(a[0]))];
int[] sizes = args.Length > names.Length
    ? [.. args.Where(a => char.IsDigit(a[0])).Select(a => int.Parse(a, CultureInfo.InvariantCulture))]
    : [16, 64, 128, 256, 512, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 256 << 20];

byte[] data = GC.AllocateUninitializedArray<byte>(sizes.Max());
var random = new Random(20250101);
random.NextBytes(data);

Console.WriteLine($"{RuntimeInformation.ProcessArchitecture}, {RuntimeInformation.FrameworkDescription}, "
    + (System.Runtime.CompilerServices.RuntimeFeature.IsDynamicCodeSupported ? "JIT" : "NativeAOT"));
foreach (Function function in functions.Where(f => names.Length == 0 || names.Contains(f.Name)))
{
    Kernel[] kernels = function.Kernels;
    Console.WriteLine(function.Name.PadLeft(12) + string.Concat(kernels.Select(k => k.Name.PadLeft(16))));
    foreach (int size in sizes)
    {
        int calls = (int)Math.Max(1, WarmBytesPerSample / 4 / size);
        if (size < 4096) calls /= 8;
        var rates = new double[kernels.Length, Samples];
        ulong expected = kernels[0].Append(0, data.AsSpan(0, size));
        foreach (Kernel kernel in kernels)
        {
            ulong got = kernel.Append(0, data.AsSpan(0, size));
            if (got != expected) throw new InvalidOperationException(
                $"{function.Name} {kernel.Name}: {size} bytes: expected {expected:x}, got {got:x}");
        }
        for (int sample = 0; sample < Samples; sample++)
        {
            for (int k = 0; k < kernels.Length; k++)
            {
                Append append = kernels[k].Append;
                ulong value = append(0, data.AsSpan(0, Math.Min(size, 1 << 20)));
                long begun = Stopwatch.GetTimestamp();
                // where a call can begin with the last one's value it does, so that the latency of small inputs counts in full
                for (int call = 0; call < calls; call++)
                    value = kernels[k].Chained ? append(value, data.AsSpan(0, size)) : value ^ append(0, data.AsSpan(0, size));
                double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
                rates[k, sample] = (double)size * calls / seconds / 1e9;
                GC.KeepAlive(value);
            }
        }
        string line = size.ToString(CultureInfo.InvariantCulture).PadLeft(12);
        for (int k = 0; k < kernels.Length; k++)
        {
            double[] sorted = [.. Enumerable.Range(0, Samples).Select(s => rates[k, s]).Order()];
            line += string.Create(CultureInfo.InvariantCulture, $"{sorted[Samples / 2]:F2} / {sorted[^1]:F2}").PadLeft(16);
        }
        Console.WriteLine(line);
    }
}

static uint OneLane(uint crc, ReadOnlySpan<byte> data)
{
    uint state = ~crc;
    foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(data)) state = BitOperations.Crc32C(state, word);
    foreach (byte last in data[(data.Length & ~7)..]) state = BitOperations.Crc32C(state, last);
    return ~state;
}

/// <summary>The value of the bytes so far with <paramref name="data"/> after them.</summary>
delegate ulong Append(ulong before, ReadOnlySpan<byte> data);

sealed record Function(string Name, Kernel[] Kernels);

/// <param name="Name">Its column.</param>
/// <param name="Append">Hashes.</param>
/// <param name="Chained">Whether it can begin with the value of earlier bytes.</param>
sealed record Kernel(string Name, Append Append, bool Chained = true);
