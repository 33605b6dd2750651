using System.Buffers.Binary;
using System.IO.Compression;
using S3dlio.Cli.Records;
using S3dlio.OpLog;
using S3dlio.Tensors;

namespace S3dlio.Cli.Original;

/// <summary>Bytes of which blocks repeat and parts are zero, as far as was asked for; another object, other bytes.</summary>
/// <param name="Seed">Of the object.</param>
/// <param name="Dedup">How many blocks of 1 MiB are equal to each other.</param>
/// <param name="Compress">How many times smaller they can be made.</param>
readonly record struct SampleData(ulong Seed, int Dedup, int Compress)
{
    const int BlockLength = 1 << 20;

    public void Fill(Span<byte> target)
    {
        int blocks = (target.Length + BlockLength - 1) / BlockLength;
        int distinct = Math.Max(1, (int)Math.Round((double)blocks / Dedup));
        for (int block = 0; block < blocks; block++)
        {
            int begin = block * BlockLength, length = Math.Min(BlockLength, target.Length - begin);
            new SyntheticData(Seed + (ulong)(block % distinct), Compress).Fill(target.Slice(begin, length));
        }
    }
}

/// <summary>Objects as training benchmarks read them.</summary>
static class Samples
{
    public static byte[] Raw(long size, SampleData data)
    {
        var bytes = new byte[size];
        data.Fill(bytes);
        return bytes;
    }

    /// <summary>One record, so that the whole has the size that was asked for.</summary>
    public static byte[] TfRecord(long size, SampleData data)
    {
        const int frame = TfRecordFrame.HeadLength + TfRecordFrame.TailLength;
        int length = (int)Math.Max(0, size - frame);
        var bytes = new byte[length + frame];
        TfRecordFrame.WriteHead(bytes, length);
        var payload = bytes.AsSpan(TfRecordFrame.HeadLength, length);
        data.Fill(payload);
        TfRecordFrame.WriteChecksum(bytes.AsSpan(TfRecordFrame.HeadLength + length), payload);
        return bytes;
    }

    /// <summary><c>x</c> with the bytes and <c>y</c>, one label of 0.</summary>
    public static byte[] Npz(long size, SampleData data)
    {
        // two members with their heads
        const int overhead = 512;
        long count = Math.Max(1, (size - overhead) / sizeof(float));
        var x = new byte[count * sizeof(float)];
        data.Fill(x);
        // the bits of a float that is neither infinite nor NaN
        for (int i = 3; i < x.Length; i += sizeof(float))
            x[i] &= 0x3f;
        var y = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(y, 0);
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add(zip, "x.npy", NpyHeader.Build("'<f4'", fortranOrder: false, [count], null, "x.npy"), x);
            Add(zip, "y.npy", NpyHeader.Build("'<i8'", fortranOrder: false, [1], null, "y.npy"), y);
        }
        return file.ToArray();
    }

    static void Add(ZipArchive zip, string name, byte[] head, byte[] body)
    {
        using var member = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
        member.Write(head);
        member.Write(body);
    }
}
