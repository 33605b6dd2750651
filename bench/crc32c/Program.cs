// CRC-32C kernels side by side: GB/s (10^9 bytes), median / best of the samples, one core. Kernels take turns within each sample, so that a
// busy moment of the machine hits all of them. Warm blocks are read again and again; the cold one is larger than any cache.
using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using S3dlio.Hashing;

const int Samples = 15;
const long WarmBytesPerSample = 64L << 20;

List<Kernel> kernels = [new("dispatch", Crc32C.Append), new("table", Crc32C.AppendTable), new("BitOperations", OneLane)];
if (Crc32C.X86.IsSupported)
{
    kernels.Add(new("x86 fused", Crc32C.AppendX86));
    kernels.Add(new("x86 one lane", (crc, data) => Crc32C.AppendLanes<Crc32C.X86, ulong>(crc, data, int.MaxValue)));
    kernels.Add(new("x86 lanes", (crc, data) => Crc32C.AppendLanes<Crc32C.X86, ulong>(crc, data)));
}
if (Crc32C.Arm.IsSupported) kernels.Add(new("arm lanes", Crc32C.AppendArm));

int[] sizes = args.Length > 0
    ? [.. args.Select(a => int.Parse(a, CultureInfo.InvariantCulture))]
    : [16, 64, 128, 256, 512, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 256 << 20];

byte[] data = GC.AllocateUninitializedArray<byte>(sizes.Max());
var random = new Random(20250101);
random.NextBytes(data);

Console.WriteLine($"{RuntimeInformation.ProcessArchitecture}, {RuntimeInformation.FrameworkDescription}, "
    + (System.Runtime.CompilerServices.RuntimeFeature.IsDynamicCodeSupported ? "JIT" : "NativeAOT"));
Console.WriteLine("bytes".PadLeft(12) + string.Concat(kernels.Select(k => k.Name.PadLeft(16))));
foreach (int size in sizes)
{
    int calls = (int)Math.Max(1, WarmBytesPerSample / 4 / size);
    if (size < 4096) calls /= 8;
    var rates = new double[kernels.Count, Samples];
    uint expected = Crc32C.AppendTable(0, data.AsSpan(0, size));
    foreach (Kernel kernel in kernels)
    {
        uint got = kernel.Append(0, data.AsSpan(0, size));
        if (got != expected) throw new InvalidOperationException($"{kernel.Name}: {size} bytes: expected {expected:x8}, got {got:x8}");
    }
    for (int sample = 0; sample < Samples; sample++)
    {
        for (int k = 0; k < kernels.Count; k++)
        {
            Func<uint, ReadOnlySpan<byte>, uint> append = kernels[k].Append;
            uint crc = append(0, data.AsSpan(0, Math.Min(size, 1 << 20)));
            long begun = Stopwatch.GetTimestamp();
            // each call begins with the last one's value, so the latency of small inputs counts in full
            for (int call = 0; call < calls; call++) crc = append(crc, data.AsSpan(0, size));
            double seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            rates[k, sample] = (double)size * calls / seconds / 1e9;
            GC.KeepAlive(crc);
        }
    }
    string line = size.ToString(CultureInfo.InvariantCulture).PadLeft(12);
    for (int k = 0; k < kernels.Count; k++)
    {
        double[] sorted = [.. Enumerable.Range(0, Samples).Select(s => rates[k, s]).Order()];
        line += string.Create(CultureInfo.InvariantCulture, $"{sorted[Samples / 2]:F2} / {sorted[^1]:F2}").PadLeft(16);
    }
    Console.WriteLine(line);
}

static uint OneLane(uint crc, ReadOnlySpan<byte> data)
{
    uint state = ~crc;
    foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(data)) state = BitOperations.Crc32C(state, word);
    foreach (byte last in data[(data.Length & ~7)..]) state = BitOperations.Crc32C(state, last);
    return ~state;
}

sealed record Kernel(string Name, Func<uint, ReadOnlySpan<byte>, uint> Append);
