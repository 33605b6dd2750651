using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Storage.Memory;
using S3dlio.Tensors;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

public class ObjectScatterTests
{
    static readonly CancellationToken None = CancellationToken.None;
    readonly ObjectStore _store = StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid()}/"), StoreOptions.Parse("", "memory://"));

    [Fact]
    public async Task ReadAsync_StretchesOfManyObjects_FillEachTarget()
    {
        var random = new Random(3);
        var objects = new byte[5][];
        for (int i = 0; i < objects.Length; i++)
        {
            random.NextBytes(objects[i] = new byte[random.Next(1, 300_000)]);
            await _store.PutAsync($"o{i}", new Payload(objects[i]), PutOptions.Default, null, None);
        }
        var wanted = new List<(byte[] Target, ReadOnlyMemory<byte> Expected)>();
        var ranges = new List<ScatterRange>();
        for (int i = 0; i < 300; i++)
        {
            int of = random.Next(objects.Length), begin = random.Next(objects[of].Length),
                length = random.Next(objects[of].Length - begin + 1);
            var target = new byte[length];
            var expected = objects[of].AsMemory(begin, length);
            wanted.Add((target, expected));
            ranges.Add(new ScatterRange(of, begin, LargeMemory.From(target.AsMemory()), i % 2 == 0 ? Checksum.Of(expected.Span) : null));
        }
        await ObjectScatter.ReadAsync(Refs(5), ranges, Decompress.Never, 3, NoProgress.Instance, None);
        Assert.All(wanted, pair => Assert.Equal(pair.Expected.ToArray(), pair.Target));
    }

    [Fact]
    public async Task ReadAsync_WrongChecksum_NamesObjectAndPlace()
    {
        await _store.PutAsync("o0", new Payload(new byte[100]), PutOptions.Default, null, None);
        var range = new ScatterRange(0, 10, LargeMemory.From(new byte[20].AsMemory()), new Checksum(7));
        var error = await Assert.ThrowsAsync<StoreException>(
            () => ObjectScatter.ReadAsync(Refs(1), [range], Decompress.Never, 1, NoProgress.Instance, None));
        Assert.Equal((ErrorKind.ChecksumMismatch, 10L), (error.Kind, error.Offset));
        Assert.Contains("o0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_BeyondTheEnd_IsInvalidData()
    {
        await _store.PutAsync("o0", new Payload(new byte[100]), PutOptions.Default, null, None);
        var range = new ScatterRange(0, 90, LargeMemory.From(new byte[11].AsMemory()), null);
        var error = await Assert.ThrowsAsync<StoreException>(
            () => ObjectScatter.ReadAsync(Refs(1), [range], Decompress.Never, 1, NoProgress.Instance, None));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
    }

    [Fact]
    public async Task ReadAsync_ObjectWithoutStretches_IsNotOpened() =>
        await ObjectScatter.ReadAsync(Refs(3), [], Decompress.Never, 1, NoProgress.Instance, None);

    [Theory]
    [InlineData(null)]
    [InlineData(3)]
    public async Task SaveBlocksAsync_BlocksCombine_ToWhatTheFileHolds(int? level)
    {
        var random = new Random(5);
        int[] sizes = [0, 1, 64 << 10, (64 << 10) + 1, 3_000_000];
        var data = Array.ConvertAll(sizes, size => { var bytes = new byte[size]; random.NextBytes(bytes); return bytes; });
        var specs = sizes.Select((size, i) => new TensorSpec($"t{i}", DType.U8, [size])).ToArray();
        var (output, saved) = await SafetensorsObject.SaveBlocksAsync(
            _store, "t", specs, Array.ConvertAll(data, bytes => LargeMemory.From(bytes.AsMemory())), null, level, PutOptions.Default,
            NoProgress.Instance, None);
        if (level is not null)
        {
            Assert.Equal("t.zst", output.Object.Key);
            var raw = new byte[output.RawLength];
            await ObjectRead.WholeAsync(
                _store, "t.zst", Decompress.Always, _ => LargeMemory.From(raw.AsMemory()), new Validation(output.RawChecksum),
                NoProgress.Instance, None);
            await _store.PutAsync("t", new Payload(raw), PutOptions.Default, null, None);
        }
        var file = await SafetensorsObject.OpenAsync(_store, "t", None);
        await using (file)
        {
            for (int i = 0; i < sizes.Length; i++)
            {
                var entry = file.Header.Tensors.Single(tensor => tensor.Name == $"t{i}");
                Assert.Equal(entry.Checksum, saved[i].Checksum);
                Assert.Equal(file.Header.DataOffset + entry.Begin, saved[i].Offset);
                int length = saved[i].BlockLength;
                Assert.Equal(sizes[i] > length ? (sizes[i] + length - 1) / length : 0, saved[i].Blocks.Length);
                for (int k = 0; k < saved[i].Blocks.Length; k++)
                    Assert.Equal(Checksum.Of(data[i].AsSpan(k * length, Math.Min(length, sizes[i] - k * length))), saved[i].Blocks[k]);
            }
        }
        Assert.NotNull(output.Object.Checksum);
    }

    ObjectRef[] Refs(int count) => [.. Enumerable.Range(0, count).Select(i => new ObjectRef(_store, $"o{i}"))];
}
