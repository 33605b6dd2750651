using System.Diagnostics;
using System.Runtime.InteropServices;
using FASTER.core;
using Microsoft.Win32.SafeHandles;
using S3dlio.Log;
using static S3dlio.Bench.Pairs;

namespace S3dlio.Bench;

/// <summary>
/// The durable log beside FasterLog and the bare device, in turns A B B A in one process: the median of the pairs' ratios counts.
/// </summary>
static partial class Program
{
    static string _folder = "";
    static int _number;

    static string Fresh() => Path.Combine(_folder, $"{_number++}");

    static int Main(string[] arguments)
    {
        if (arguments.Length is 0 or > 2)
        {
            Console.Error.WriteLine("usage: log-bench FOLDER [PAIRS]");
            return 2;
        }
        _folder = Path.Combine(Path.GetFullPath(arguments[0]), $"log-bench-{Environment.ProcessId}");
        Directory.CreateDirectory(_folder);
        int pairs = arguments.Length > 1 ? int.Parse(arguments[1], System.Globalization.CultureInfo.InvariantCulture) : 7;
        Console.WriteLine(Machine);
        try
        {
            Compare("append 64 B, one thread, checksums on, one commit at the end", "M/s", pairs, 1.2,
                () => Ours(64, 2_000_000), () => Faster(64, 2_000_000), 2.0);
            Compare("the same in batches of 1024", "M/s", pairs, 3,
                () => OursBatches(64, 4_000_000), () => Faster(64, 2_000_000), 4.0, 2.0);
            Compare("append 1 KiB, one thread, checksums on, one commit at the end", "M/s", pairs, 1.3,
                () => Ours(1024, 400_000), () => Faster(1024, 400_000), 0.4);
            Compare("durable commit of 128 B, one waiter, against pwrite and fdatasync", "k/s", pairs, 0.91,
                () => OursCommits(1, 400), () => Floor(400), 0.4);
            Compare("durable commit of 128 B, one waiter, against FasterLog (which writes through and flushes nothing)", "k/s", pairs, 0,
                () => OursCommits(1, 400), () => FasterCommits(400), 0.4);
            Compare("32 waiters against one", "k/s", pairs, 15,
                () => OursCommits(32, 200), () => OursCommits(1, 400), 6.4, 0.4);
            Scan(pairs);
        }
        finally
        {
            Directory.Delete(_folder, recursive: true);
        }
        return 0;
    }

    static double Ours(int size, int count)
    {
        string folder = Fresh();
        using var log = LogWriter.Open(folder, new LogOptions());
        var record = new byte[size];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count; i++)
                log.Append(record.AsSpan());
            log.Commit();
        });
        log.Close();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double OursBatches(int size, int count)
    {
        string folder = Fresh();
        using var log = LogWriter.Open(folder, new LogOptions());
        var records = new byte[1024 * size];
        long[] ends = [.. Enumerable.Range(1, 1024).Select(i => (long)i * size)];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count / 1024; i++)
                log.AppendBatch(records, ends);
            log.Commit();
        });
        log.Close();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double OursCommits(int threads, int count)
    {
        string folder = Fresh();
        using var log = LogWriter.Open(folder, new LogOptions());
        var record = new byte[128];
        double seconds = Seconds(() =>
        {
            var waiters = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
            {
                for (int i = 0; i < count; i++)
                {
                    log.Append(record.AsSpan());
                    log.Commit();
                }
            })).ToArray();
            foreach (var one in waiters)
                one.Start();
            foreach (var one in waiters)
                one.Join();
        });
        log.Close();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static FasterLog NewFaster(string folder)
    {
        Directory.CreateDirectory(folder);
        var device = Devices.CreateLogDevice(Path.Combine(folder, "log"));
        return new FasterLog(new FasterLogSettings(folder)
        {
            LogDevice = device,
            LogChecksum = LogChecksumType.PerEntry,
            PageSizeBits = 22,
            MemorySizeBits = 26,
        });
    }

    static double Faster(int size, int count)
    {
        string folder = Fresh();
        using var log = NewFaster(folder);
        var record = new byte[size];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count; i++)
                log.Enqueue(record.AsSpan());
            log.Commit(true);
        });
        log.Dispose();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double FasterCommits(int count)
    {
        string folder = Fresh();
        using var log = NewFaster(folder);
        var record = new byte[128];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count; i++)
            {
                log.Enqueue(record.AsSpan());
                log.Commit(true);
            }
        });
        log.Dispose();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double Floor(int count)
    {
        string path = Fresh();
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, preallocationSize: 1 << 20);
        RandomAccess.FlushToDisk(file);
        var record = new byte[200];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count; i++)
            {
                RandomAccess.Write(file, record, 4096 + (i * record.Length));
                if (fdatasync(file) != 0)
                    throw new IOException("fdatasync failed");
            }
        });
        File.Delete(path);
        return seconds;
    }

    static void Scan(int pairs)
    {
        const int size = 1024, count = 262_144;
        string folder = Fresh(), theirs = Fresh();
        using (var log = LogWriter.Open(folder, new LogOptions()))
        {
            for (int i = 0; i < count; i++)
                log.Append(new byte[size].AsSpan());
            log.Close();
        }
        using var faster = NewFaster(theirs);
        for (int i = 0; i < count; i++)
            faster.Enqueue(new byte[size].AsSpan());
        faster.Commit(true);
        using var reader = LogReader.Open(folder, OnDamage.Raise);
        var target = new byte[16 << 20];
        double OursOnce() => Seconds(() =>
        {
            for (long at = 0; at < reader.EndRecord;)
            {
                var plan = reader.Plan(at, 16_384, target.Length, false);
                plan.Read(target.AsSpan(0, (int)plan.Length), CancellationToken.None);
                at = plan.Next;
            }
        });
        double FasterOnce() => Seconds(() =>
        {
            long found = 0;
            using var scan = faster.Scan(faster.BeginAddress, faster.CommittedUntilAddress);
            while (scan.GetNext(System.Buffers.MemoryPool<byte>.Shared, out var owner, out int length, out _, out _))
            {
                found += length;
                owner.Dispose();
            }
            if (found != (long)size * count)
                throw new InvalidDataException($"FasterLog gave {found} bytes");
        });
        Compare("verified scan of 1 KiB records into memory", "GB/s", pairs, 0, OursOnce, FasterOnce, (double)size * count / 1e9);
        reader.Dispose();
        faster.Dispose();
        Directory.Delete(folder, recursive: true);
        Directory.Delete(theirs, recursive: true);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(SafeFileHandle fd);
}
