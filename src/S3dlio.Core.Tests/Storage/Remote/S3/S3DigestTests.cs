using System.Buffers.Binary;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Tests.Http;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Objects of other programs, which come with checksums of other kinds.</summary>
public class S3DigestTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    static string Header(string kind, byte[] data)
    {
        var value = new byte[kind == "crc32" ? 4 : 8];
        if (kind == "crc32")
            BinaryPrimitives.WriteUInt32BigEndian(value, Crc32.Compute(data));
        else
            BinaryPrimitives.WriteUInt64BigEndian(value, Crc64.Compute(data));
        return $"x-amz-checksum-{kind}: {Convert.ToBase64String(value)}\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
    }

    // S3 tells an object's checksum with the whole object and with HEAD, not with ranges
    static ScriptedServer Serve(byte[] served, string header) => new(async exchange =>
    {
        if (exchange.Method == "HEAD")
            await exchange.Raw(Exchange.Head(200, $"ETag: \"v1\"\r\n{header}", served.Length));
        else if (exchange.Headers.ContainsKey("Range"))
            await exchange.Serve(served, "\"v1\"");
        else
            await exchange.Respond(200, $"ETag: \"v1\"\r\n{header}", served);
    });

    static async Task<byte[]> Get(ScriptedServer server, Validation validation)
    {
        var store = StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","part_size":5242880}""",
            "s3://bucket/"));
        byte[] read = [];
        LargeMemory Allocate(long count) => LargeMemory.From(read = new byte[count]);
        await ObjectRead.WholeAsync(store, "key", Allocate, validation, NoProgress.Instance, None);
        return read;
    }

    [Theory]
    [InlineData("crc32", 0)]
    [InlineData("crc32", 1000)]
    [InlineData("crc64nvme", 1000)]
    [InlineData("crc32", 13_000_001)]
    [InlineData("crc64nvme", 13_000_001)]
    public async Task Get_ChecksumOfAnotherKind_IsCompared(string kind, int length)
    {
        var data = Data(length);
        await using (var server = Serve(data, Header(kind, data)))
            Assert.Equal(data, await Get(server, new Validation(null)));
        if (length == 0)
            return;
        var damaged = (byte[])data.Clone();
        damaged[length / 3] ^= 4;
        await using var bad = Serve(damaged, Header(kind, data));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(bad, new Validation(null)));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        Assert.Contains(kind + ":", error.Detail, StringComparison.Ordinal);
        Assert.Equal(damaged, await Get(bad, new Validation(null, Validate: false)));
    }

    [Fact]
    public async Task Get_CompositeOfAnotherKind_IsNotTakenForTheWhole()
    {
        var data = Data(1000);
        string header = Header("crc32", Data(999)).Replace("FULL_OBJECT", "COMPOSITE", StringComparison.Ordinal);
        await using var server = Serve(data, header);
        Assert.Equal(data, await Get(server, new Validation(null)));
    }

    static ObjectStore Open(ScriptedServer server) => StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(
        $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","part_size":5242880}""", "s3://bucket/"));

    static byte[] Array(int length)
    {
        string header = $"{{'descr': '|u1', 'fortran_order': False, 'shape': ({length},), }}".PadRight(117) + "\n";
        // with something behind it, as of two np.save to one file
        return [0x93, .. "NUMPY"u8, 1, 0, 118, 0, .. Encoding.ASCII.GetBytes(header), .. Data(length), .. Data(100)];
    }

    static byte[] Tensors(int length)
    {
        string header = $$$"""{"a":{"dtype":"U8","shape":[{{{length}}}],"data_offsets":[0,{{{length}}}]},"b":{"dtype":"U8","shape":[100],"data_offsets":[{{{length}}},{{{length + 100}}}]}}""";
        return [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header), .. Data(length), .. Data(100)];
    }

    static async Task<byte[]> ReadArray(ScriptedServer server, int length, Validation validation)
    {
        await using var array = await NpyObject.OpenAsync(Open(server), "key.npy", None);
        byte[] read = new byte[length];
        await array.ReadAsync(LargeMemory.From(read.AsMemory()), validation, NoProgress.Instance, None);
        return read;
    }

    static async Task<byte[]> ReadTensors(ScriptedServer server, int length, Validation validation, bool all)
    {
        await using var tensors = await SafetensorsObject.OpenAsync(Open(server), "key", None);
        byte[] read = new byte[length];
        List<(int, LargeMemory)> wanted = [(0, LargeMemory.From(read.AsMemory()))];
        if (all)
            wanted.Add((1, LargeMemory.From(new byte[100].AsMemory())));
        await tensors.ReadAsync(wanted, validation, NoProgress.Instance, None);
        return read;
    }

    [Theory]
    [InlineData("crc32", 0)]
    [InlineData("crc32", 1000)]
    [InlineData("crc64nvme", 1000)]
    [InlineData("crc64nvme", 13_000_001)]
    public async Task ReadArray_ChecksumOfAnotherKind_IsCompared(string kind, int length)
    {
        byte[] data = Array(length);
        foreach (bool required in (bool[])[false, true])
        {
            await using (var server = Serve(data, Header(kind, data)))
                Assert.Equal(Data(length), await ReadArray(server, length, new Validation(null, Required: required)));
            // in the header, the data, and behind it
            foreach (int at in (int[])[120, 128 + (length / 3), data.Length - 1])
            {
                byte[] damaged = [.. data];
                damaged[at] ^= at == 120 ? (byte)0 : (byte)4;
                string header = Header(kind, at == 120 ? [.. data, 0] : data);
                await using var bad = Serve(damaged, header);
                var error = await Assert.ThrowsAsync<StoreException>(
                    () => ReadArray(bad, length, new Validation(null, Required: required)));
                Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
                Assert.Equal(damaged[128..(128 + length)], await ReadArray(bad, length, new Validation(null, Validate: false)));
            }
        }
    }

    [Theory]
    [InlineData("crc32", 1000, true, false)]
    [InlineData("crc64nvme", 13_000_001, true, false)]
    [InlineData("crc64nvme", 1000, false, true)]
    [InlineData("crc32", 13_000_001, false, true)]
    public async Task ReadTensors_ChecksumOfAnotherKind_IsComparedWhereAllIsReadOrRequired(string kind, int length, bool all, bool required)
    {
        byte[] data = Tensors(length);
        await using (var server = Serve(data, Header(kind, data)))
            Assert.Equal(Data(length), await ReadTensors(server, length, new Validation(null, Required: required), all));
        byte[] damaged = [.. data];
        damaged[^1] ^= 4;
        await using var bad = Serve(damaged, Header(kind, data));
        Assert.Equal(ErrorKind.ChecksumMismatch,
            (await Assert.ThrowsAsync<StoreException>(() => ReadTensors(bad, length, new Validation(null, Required: required), all))).Kind);
        Assert.Equal(Data(length), await ReadTensors(bad, length, new Validation(null), false));
    }

    [Fact]
    public async Task ReadArrayAndTensors_NothingIsRecordedAndACheckIsRequired_AreRefused()
    {
        await using (var server = Serve(Array(1000), ""))
        {
            Assert.Equal(ErrorReason.NoChecksum,
                (await Assert.ThrowsAsync<StoreException>(() => ReadArray(server, 1000, new Validation(null, Required: true)))).Reason);
            Assert.Equal(Data(1000), await ReadArray(server, 1000, new Validation(null)));
        }
        await using (var server = Serve(Tensors(1000), ""))
        {
            foreach (bool all in (bool[])[true, false])
            {
                Assert.Equal(ErrorReason.NoChecksum,
                    (await Assert.ThrowsAsync<StoreException>(() => ReadTensors(server, 1000, new Validation(null, Required: true), all)))
                        .Reason);
                Assert.Equal(Data(1000), await ReadTensors(server, 1000, new Validation(null), all));
            }
        }
    }
}
