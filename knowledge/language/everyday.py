"""The words of everyday talk: they stand in many a story, and a line made of them alone asks for none of it.

Rarity can't tell this: in a wiki of twenty pages `tonight` and `hungry` are as rare as the name of a ghost.
"""

from functools import cache

from knowledge.language.terms import terms

_ENGLISH = """
hello hi hey hiya howdy greetings welcome goodbye bye farewell cheers thanks thank please sorry excuse pardon
congratulations congrats okay yeah yep yup nope nah sure right alright fine maybe perhaps indeed exactly absolutely
definitely certainly probably actually really truly totally quite rather pretty well done oh ah uh um hm hmm haha
hahaha hehe lol lmao wow whoa ouch oops ugh huh aha yay brb omg btw thx np god heck holy anyway gonna wanna gotta
aye copy roger dunno whatever course

good great nice bad better best worse worst lovely wonderful amazing awesome perfect terrible awful horrible fun funny
boring bored cool happy glad sad angry mad upset afraid scared worried nervous excited tired sleepy exhausted hungry
thirsty drunk sick ill cold hot warm freezing busy ready alone lonely lucky crazy silly stupid clever smart kind
friendly sweet cute beautiful delicious tasty yummy strange weird interesting serious real true wrong fair easy hard
possible new old young late early soon ago long short quick slow quickly slowly fast close near far away back home
again twice always never often sometimes usually already yet still just later together

today tonight tomorrow yesterday morning noon afternoon evening night day week weekend month year time hour minute
second moment while monday tuesday wednesday thursday friday saturday sunday birthday christmas weather rain raining
snowing sunny one two three four five six seven eight nine ten

think thought guess suppose believe hope wish want need like love hate miss mean meant understand understood remember
forget forgot forgotten agree disagree doubt mind care matter worry feel felt seem look see seen saw watch hear heard
listen know knew known say said tell told talk speak spoke ask asked answer reply call mention joke kid laugh smile
grin nod shrug sigh wave cry yawn stretch wink hug kiss dance clap shake relax bless celebrate enjoy

go going goes gone went come coming came leave left stay wait walk run sit sat stand stood lie sleep slept wake woke
rest start begin stop finish end try keep let get got give gave given take took taken bring brought put pass hold help
use make made do happen happened play won win lose lost turn roll throw dice move change follow show meet met buy join
borrow owe hurry deal count sound sounds sense will promise smell taste

name game family phone movie trip money thing stuff something anything nothing everything someone somebody anyone
anybody everyone everybody nobody people person guy man woman friend buddy pal mate dear folks lady gentleman lot bit
sort way place idea question problem fault reason point chance plan luck word head hand feet ear dream life card round
break favourite favorite colour color hobby

food drink drank eat ate eaten breakfast lunch dinner supper meal snack bread cheese soup salt beer ale wine tea
coffee milk table chair seat bed room outfit hat umbrella pen traffic job team here there everywhere somewhere
anywhere nowhere else even another next last first much many little less least deep breath
"""
_CHINESE = """
你好 您好 大家 各位 大家好 早上好 早安 早上 上午 中午 下午 晚上 晚上好 晚安 今天 今晚 明天 昨天 昨晚 现在 刚才 刚刚
最近 以后 以前 时候 时间 一会 一会儿 再见 拜拜 谢谢 多谢 感谢 不客气 客气 没关系 没关 关系 没事 没什么 对不起 抱歉
不好意思 不好 打扰 欢迎 恭喜 祝 好运 加油 干杯 生日 快乐 新年 节日 好 好的 可以 当然 没问题 问题 是的 不对 不是 不行
不要 别 嗨 喂 嘿 哎 唉 哎呀 哇 哈 哈哈 哈哈哈 呵呵 嘿嘿 真的 其实 可能 也许 大概 应该 一定 肯定 随便 算了 原来
原来如此 如此 这样 那样 怎么样 同意 不同 明白 理解 知道 觉得 认为 想 想想 想要 希望 喜欢 爱 讨厌 担心 害怕 放心 相信
记得 忘 忘了 忘记 开心 高兴 难过 伤心 生气 无聊 有趣 意思 有意 有意思 好玩 好笑 笑 搞笑 玩笑 开玩笑 逗 饿 渴 累 困 冷
热 疼 痛 舒服 忙 醉 吃 吃饭 喝 喝酒 喝水 好吃 好喝 早饭 午饭 晚饭 饭 面包 咖啡 啤酒 东西 一点 一点点 有点 有点儿 拿
一杯 杯 再来 再说 说 说话 聊 聊天 问 回答 听 看 看看 看见 看到 看起 看起来 起来 见 见到 认识 叫 名字 朋友 先生 小姐
兄弟 老板 伙计 家 家里 回家 回来 回去 去 来 走 我们走 出发 出去 进来 过来 坐 坐下 坐下来 站 站起来 躺 睡 睡觉 睡着
不着 起床 休息 醒 等 稍等 一下 快 快点 慢 继续 开始 停 停止 结束 准备 轮到 玩 游戏 骰子 掷 打牌 牌 赢 输 帮 帮忙 帮助
做 干 干什么 干嘛 办 怎么办 弄 点头 点点头 摇头 摇摇头 耸肩 挥手 微笑 叹气 鼓掌 拥抱 抱抱 天气 下雨 不错 太 太好了
太棒了 棒 厉害 漂亮 可爱 糟糕 奇怪 特别 非常 十分 真是 好久 好久不见 不见 多久 很多 一些 所有 一起 自己 别人 有人 没人
请坐 麻烦 能 能不能 会不会 用 需要 必须 只 还是 还有 一遍 一次 这里 那里 这儿 那儿 哪儿 这边 那边 事情 感觉 心情 梦
做梦 运气 下来 认真 一切 道理 有道 平时 下次 不信 乐意 效劳 多大 大了 不会 还好 就是 生活 一路 一路平安 平安 早日 康复
小心 脚下 告诉 不用 为什么 什么时候 什么样 想玩 玩游 玩游戏
"""


@cache
def _everyday() -> frozenset[str]:
    return frozenset(terms(_ENGLISH)) | frozenset(_CHINESE.split())


def is_everyday(term: str) -> bool:
    """Whether a term is of everyday talk."""
    return term in _everyday()
