using Xunit;

namespace S3dlio.Table;

public sealed class KeyIndexTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(200_000)]
    public void Index_RandomChanges_AnswersAsADictionary(int expected)
    {
        var random = new Random(7 + expected);
        using var index = new KeyIndex(expected);
        var model = new Dictionary<long, long>();
        for (int i = 0; i < 300_000; i++)
        {
            long key = random.Next(4) == 0 ? random.NextInt64(long.MinValue, long.MaxValue) : random.Next(60_000);
            ulong hash = KeyIndex.Hash(key);
            long before = model.GetValueOrDefault(key, KeyIndex.None);
            switch (random.Next(3))
            {
                case 0:
                    Assert.Equal(before, index.Find(hash, key));
                    break;
                case 1:
                    long location = random.NextInt64(0, KeyIndex.MostLocation + 1);
                    Assert.Equal(before, index.Set(hash, key, location));
                    model[key] = location;
                    break;
                default:
                    Assert.Equal(before, index.Remove(hash, key));
                    model.Remove(key);
                    break;
            }
        }
        Assert.Equal(model.Count, index.Count);
        int seen = 0;
        index.ForEach((key, location) =>
        {
            Assert.Equal(model[key], location);
            seen++;
        });
        Assert.Equal(model.Count, seen);
    }

    [Fact]
    public void Index_EveryKindOfKey_IsAKey()
    {
        using var index = new KeyIndex();
        long[] keys = [long.MinValue, long.MinValue + 1, -1, 0, 1, long.MaxValue, unchecked((long)0x8080808080808080)];
        for (int i = 0; i < keys.Length; i++)
            Assert.Equal(KeyIndex.None, index.Set(KeyIndex.Hash(keys[i]), keys[i], i));
        for (int i = 0; i < keys.Length; i++)
            Assert.Equal(i, index.Find(KeyIndex.Hash(keys[i]), keys[i]));
        Assert.Equal(KeyIndex.None, index.Find(KeyIndex.Hash(2), 2));
    }

    [Fact]
    public void Index_AMillionKeys_TakesAboutTwentyBytesEach()
    {
        using var index = new KeyIndex(1_000_000);
        for (long key = 0; key < 1_000_000; key++)
            index.Set(KeyIndex.Hash(key), key, key);
        Assert.InRange(index.Bytes / 1e6, 16, 36);
    }
}
