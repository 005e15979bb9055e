"""Model classes that each minor release of vLLM serves. Written by hack/generators/registry.


Source: ``model_executor/models/registry.py`` (``_VLLM_MODELS`` without the drafts of speculative decoding) of 0.11.2,
0.12.0, 0.13.0, 0.14.1, 0.15.1, 0.16.0, 0.17.1, 0.18.1, 0.19.1, 0.20.2, 0.21.0, 0.22.1, 0.23.0, 0.24.0, 0.25.1, 0.26.0,
0.27.1, 0.28.0, 0.29.0, 0.30.0, 0.31.0, 0.32.0 and 0.33.0. A row holds the first and the last minor release of 0.x that
has the names, and the names.
"""

from __future__ import annotations

from typing import Final

TEXT: Final[tuple[tuple[int, int, str], ...]] = (
    (11, 22, "JAISLMHeadModel"),
    (
        11,
        23,
        "BambaForCausalLM Dots1ForCausalLM InternLM2VEForCausalLM InternLMForCausalLM MiniMaxForCausalLM "
        "MiniMaxM1ForCausalLM MiniMaxText01ForCausalLM QWenLMHeadModel XverseForCausalLM",
    ),
    (11, 24, "AquilaForCausalLM AquilaModel BaiChuanForCausalLM BaichuanForCausalLM Grok1ModelForCausalLM"),
    (11, 25, "PersimmonForCausalLM"),
    (11, 26, "OuroForCausalLM Plamo2ForCausalLM"),
    (
        11,
        28,
        "ArcticForCausalLM Fairseq2LlamaForCausalLM GritLM HCXVisionForCausalLM MPTForCausalLM MptForCausalLM "
        "PrithviGeoSpatialMAE RWForCausalLM StableLMEpochForCausalLM",
    ),
    (
        11,
        33,
        "AfmoeForCausalLM ApertusForCausalLM ArceeForCausalLM BailingMoeForCausalLM BailingMoeV2ForCausalLM "
        "BertForSequenceClassification BertForTokenClassification BertModel BertSpladeSparseEmbeddingModel "
        "BloomForCausalLM CLIPModel ChatGLMForConditionalGeneration ChatGLMModel Cohere2ForCausalLM CohereForCausalLM "
        "CwmForCausalLM DbrxForCausalLM DeciLMForCausalLM DeepseekForCausalLM DeepseekV2ForCausalLM "
        "DeepseekV32ForCausalLM DeepseekV3ForCausalLM Ernie4_5ForCausalLM Ernie4_5_MoeForCausalLM Exaone4ForCausalLM "
        "ExaoneForCausalLM FalconForCausalLM FalconH1ForCausalLM FalconMambaForCausalLM FlexOlmoForCausalLM "
        "GPT2ForSequenceClassification GPT2LMHeadModel GPTBigCodeForCausalLM GPTJForCausalLM GPTNeoXForCausalLM "
        "Gemma2ForCausalLM Gemma2Model Gemma3ForCausalLM Gemma3TextModel Gemma3nForCausalLM GemmaForCausalLM "
        "Glm4ForCausalLM Glm4MoeForCausalLM GlmForCausalLM GptOssForCausalLM GraniteForCausalLM GraniteMoeForCausalLM "
        "GraniteMoeHybridForCausalLM GraniteMoeSharedForCausalLM GteModel GteNewForSequenceClassification GteNewModel "
        "HunYuanDenseV1ForCausalLM HunYuanMoEV1ForCausalLM InternLM2ForCausalLM InternLM2ForRewardModel "
        "InternLM3ForCausalLM JambaForCausalLM JambaForSequenceClassification JinaVLForRanking KimiLinearForCausalLM "
        "LLaMAForCausalLM Lfm2ForCausalLM Lfm2MoeForCausalLM Llama4ForCausalLM LlamaForCausalLM LlamaModel "
        "LongcatFlashForCausalLM Mamba2ForCausalLM MambaForCausalLM MiMoForCausalLM MiniCPM3ForCausalLM "
        "MiniCPMForCausalLM MiniMaxM2ForCausalLM MistralForCausalLM MistralModel MixtralForCausalLM "
        "ModernBertForSequenceClassification ModernBertForTokenClassification ModernBertModel NemotronForCausalLM "
        "NemotronHForCausalLM NomicBertModel OPTForCausalLM Olmo2ForCausalLM Olmo3ForCausalLM OlmoForCausalLM "
        "OlmoeForCausalLM OrionForCausalLM PanguEmbeddedForCausalLM PanguUltraMoEForCausalLM Phi3ForCausalLM "
        "PhiForCausalLM PhiMoEForCausalLM Qwen2ForCausalLM Qwen2ForProcessRewardModel Qwen2ForRewardModel Qwen2Model "
        "Qwen2MoeForCausalLM Qwen3ForCausalLM Qwen3MoeForCausalLM Qwen3NextForCausalLM RobertaForMaskedLM "
        "RobertaForSequenceClassification RobertaModel SeedOssForCausalLM SiglipModel SmolLM3ForCausalLM "
        "SolarForCausalLM StableLmForCausalLM Starcoder2ForCausalLM Step3TextForCausalLM TeleChat2ForCausalLM "
        "TeleFLMForCausalLM Terratorch TransformersEmbeddingModel TransformersForCausalLM "
        "TransformersForSequenceClassification TransformersMoEEmbeddingModel TransformersMoEForCausalLM "
        "TransformersMoEForSequenceClassification XLMRobertaForSequenceClassification XLMRobertaModel "
        "Zamba2ForCausalLM",
    ),
    (12, 25, "TeleChatForCausalLM"),
    (12, 33, "MistralLarge3ForCausalLM Plamo3ForCausalLM"),
    (13, 33, "Jais2ForCausalLM"),
    (14, 24, "Grok1ForCausalLM"),
    (14, 26, "ExaoneMoEForCausalLM"),
    (
        14,
        33,
        "IQuestCoderForCausalLM IQuestLoopCoderForCausalLM LlamaBidirectionalForSequenceClassification "
        "LlamaBidirectionalModel MiMoV2FlashForCausalLM PanguProMoEV2ForCausalLM",
    ),
    (15, 33, "BgeM3EmbeddingModel Glm4MoeLiteForCausalLM Step1ForCausalLM Step3p5ForCausalLM"),
    (16, 33, "GlmMoeDsaForCausalLM HF_ColBERT NemotronHPuzzleForCausalLM VoyageQwen3BidirectionalEmbedModel"),
    (
        17,
        33,
        "AXK1ForCausalLM BailingMoeV2_5ForCausalLM ColBERTJinaRobertaModel ColBERTModernBertModel "
        "ColModernVBertForRetrieval ColQwen3 LlamaNemotronVLForSequenceClassification LlamaNemotronVLModel "
        "OpsColQwen3Model Qwen3VLNemotronEmbedModel",
    ),
    (18, 23, "ErnieForSequenceClassification ErnieForTokenClassification ErnieModel"),
    (
        18,
        33,
        "ColPaliForRetrieval HCXVisionV2ForCausalLM HyperCLOVAXForCausalLM OlmoHybridForCausalLM SarvamMLAForCausalLM "
        "SarvamMoEForCausalLM",
    ),
    (19, 33, "ColBERTLfm2Model ColQwen3_5 Gemma4ForCausalLM Qwen3ASRForcedAlignerForTokenClassification"),
    (
        20,
        33,
        "DeepseekV4ForCausalLM HYV3ForCausalLM JinaEmbeddingsV5Model JinaForRanking Ministral3ForCausalLM "
        "Param2MoEForCausalLM Rnj1ForCausalLM TeleChat3ForCausalLM",
    ),
    (21, 33, "Cohere2MoeForCausalLM LagunaForCausalLM MiMoV2ForCausalLM"),
    (22, 33, "MellumForCausalLM"),
    (24, 33, "HrmTextForCausalLM MiniMaxM3SparseForCausalLM"),
    (25, 33, "OpenAIPrivacyFilterForTokenClassification"),
    (
        26,
        33,
        "BertForMaskedLM InklingForCausalLM InklingForConditionalGeneration LongcatFlashNgramForCausalLM "
        "RobertaForTokenClassification XLMRobertaForTokenClassification",
    ),
    (27, 33, "ExaoneMoeForCausalLM Qwen3_5ForCausalLM Qwen3_5MoeForCausalLM VaultGemmaForCausalLM"),
    (28, 33, "BailingMoeV3ForCausalLM MuseGlimmerForCausalLM"),
    (
        29,
        33,
        "DeepseekV3BidirectionalModel GraniteMoeSWAForCausalLM GraniteSWAForCausalLM HYV4ForCausalLM "
        "Qwen4ExpForCausalLM",
    ),
    (30, 33, "Glm5NextForCausalLM K2HorizonForCausalLM NanbeigeForCausalLM"),
    (32, 33, "ClefOmniForJointSchema EmbeddingGemma2Model ExaoneMoEForCausalLM"),
    (
        33,
        33,
        "AliceAIForCausalLM BeamForCausalLM ClefFlashForJointSchema ColUltraVBertForRetrieval "
        "D3ForSequenceClassification DomynEdgeForCausalLM DoryForCausalLM FlintForCausalLM Kolibri1ForCausalLM "
        "Lfm2BidirectionalModel ModernVBertModel Step5ForCausalLM TransformersForMTP TransformersMoEForMTP",
    ),
)
"""Classes that take text only."""

MULTIMODAL: Final[tuple[tuple[int, int, str], ...]] = (
    (11, 12, "Phi4MultimodalForCausalLM"),
    (11, 23, "MiniMaxVL01ForConditionalGeneration QwenVLForConditionalGeneration"),
    (
        11,
        24,
        "AyaVisionForConditionalGeneration MantisForConditionalGeneration Tarsier2ForConditionalGeneration "
        "TarsierForConditionalGeneration",
    ),
    (11, 25, "FuyuForCausalLM"),
    (11, 28, "ChameleonForConditionalGeneration"),
    (
        11,
        33,
        "AriaForConditionalGeneration BeeForConditionalGeneration Blip2ForConditionalGeneration "
        "Cohere2VisionForConditionalGeneration DeepseekOCRForCausalLM DeepseekVLV2ForCausalLM DotsOCRForCausalLM "
        "Emu3ForConditionalGeneration Ernie4_5_VLMoeForConditionalGeneration GLM4VForCausalLM "
        "Gemma3ForConditionalGeneration Gemma3nForConditionalGeneration Glm4vForConditionalGeneration "
        "Glm4vMoeForConditionalGeneration GraniteSpeechForConditionalGeneration H2OVLChatModel "
        "Idefics3ForConditionalGeneration InternS1ForConditionalGeneration InternVLChatModel "
        "InternVLForConditionalGeneration KeyeForConditionalGeneration KeyeVL1_5ForConditionalGeneration "
        "KimiVLForConditionalGeneration LightOnOCRForConditionalGeneration Llama4ForConditionalGeneration "
        "Llama_Nemotron_Nano_VL LlavaForConditionalGeneration LlavaNextForConditionalGeneration "
        "LlavaNextVideoForConditionalGeneration LlavaOnevisionForConditionalGeneration MiDashengLMModel MiniCPMO "
        "MiniCPMV Mistral3ForConditionalGeneration MolmoForCausalLM NVLM_D NemotronH_Nano_VL_V2 Ovis Ovis2_5 "
        "PaddleOCRVLForConditionalGeneration PaliGemmaForConditionalGeneration Phi3VForCausalLM Phi4MMForCausalLM "
        "PixtralForConditionalGeneration Qwen2AudioForConditionalGeneration Qwen2VLForConditionalGeneration "
        "Qwen2_5OmniForConditionalGeneration Qwen2_5OmniModel Qwen2_5_VLForConditionalGeneration "
        "Qwen3OmniMoeForConditionalGeneration Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration "
        "RForConditionalGeneration SkyworkR1VChatModel SmolVLMForConditionalGeneration "
        "Step3VLForConditionalGeneration TransformersMultiModalEmbeddingModel TransformersMultiModalForCausalLM "
        "TransformersMultiModalForSequenceClassification TransformersMultiModalMoEForCausalLM UltravoxModel "
        "VoxtralForConditionalGeneration WhisperForConditionalGeneration",
    ),
    (12, 33, "HunYuanVLForConditionalGeneration OpenCUAForConditionalGeneration"),
    (13, 33, "AudioFlamingo3ForConditionalGeneration BagelForConditionalGeneration"),
    (14, 15, "VoxtralStreamingGeneration"),
    (
        14,
        33,
        "GlmAsrForConditionalGeneration IsaacForConditionalGeneration KananaVForConditionalGeneration "
        "Lfm2VlForConditionalGeneration NemotronParseForConditionalGeneration",
    ),
    (
        15,
        33,
        "Eagle2_5_VLForConditionalGeneration KimiK25ForConditionalGeneration Molmo2ForConditionalGeneration "
        "StepVLForConditionalGeneration",
    ),
    (16, 24, "MusicFlamingoForConditionalGeneration"),
    (
        16,
        33,
        "DeepseekOCR2ForCausalLM FunAudioChatForConditionalGeneration GlmOcrForConditionalGeneration "
        "InternS1ProForConditionalGeneration OpenPanguVLForConditionalGeneration Qwen3ASRForConditionalGeneration "
        "VoxtralRealtimeGeneration",
    ),
    (
        17,
        33,
        "FireRedASR2ForConditionalGeneration FunASRForConditionalGeneration Ovis2_6ForCausalLM Ovis2_6_MoeForCausalLM "
        "Qwen3ASRRealtimeGeneration Qwen3_5ForConditionalGeneration Qwen3_5MoeForConditionalGeneration",
    ),
    (18, 33, "MoonshotKimiaForCausalLM"),
    (19, 33, "CohereAsrForConditionalGeneration Gemma4ForConditionalGeneration"),
    (20, 28, "Cheers CheersForConditionalGeneration FireRedLIDForConditionalGeneration"),
    (
        20,
        33,
        "Exaone4_5_ForConditionalGeneration Granite4VisionForConditionalGeneration NemotronH_Nano_Omni_Reasoning_V3 "
        "NemotronH_Super_Omni_Reasoning_V3 Phi4ForCausalLMV",
    ),
    (21, 33, "HfMoondream MiMoV2OmniForCausalLM Moondream3ForCausalLM QianfanOCRForConditionalGeneration"),
    (22, 33, "InternS2PreviewForConditionalGeneration MiniCPMV4_6ForConditionalGeneration OpenVLAForActionPrediction"),
    (
        23,
        33,
        "Cosmos3ForConditionalGeneration Gemma4UnifiedForConditionalGeneration "
        "GraniteSpeechPlusForConditionalGeneration Step3p7ForConditionalGeneration",
    ),
    (24, 33, "DiffusionGemmaForBlockDiffusion MiniMaxM3SparseForConditionalGeneration MossAudioModel"),
    (
        25,
        33,
        "LlavaOnevision2ForConditionalGeneration MossTranscribeDiarizeForConditionalGeneration UnlimitedOCRForCausalLM",
    ),
    (26, 33, "Cosmos3EdgeForConditionalGeneration"),
    (27, 33, "KimiK3ForConditionalGeneration VibeVoiceAsrForConditionalGeneration"),
    (28, 33, "Dots3NoteForCausalLM InternS2MobiusForConditionalGeneration MuseGlimmerForConditionalGeneration"),
    (29, 33, "NemotronH_Omni_Reasoning_V3 Qwen4ExpForConditionalGeneration"),
    (
        30,
        33,
        "BailingMoeV3VLForConditionalGeneration CohereCompassForConditionalGeneration DeepseekV41ForCausalLM "
        "DeepseekV4ForConditionalGeneration Glm5NextForConditionalGeneration",
    ),
    (32, 33, "MiniCPMV4_7ForConditionalGeneration"),
    (
        33,
        33,
        "Alpamayo2Super MiniCPMOcrForConditionalGeneration MuseSparkForConditionalGeneration "
        "RadioMBartPrefixForCausalLM Step5ForConditionalGeneration",
    ),
)
"""Classes that take images, videos or audio."""

ENCODER_DATA_PARALLEL: Final[tuple[tuple[int, int, str], ...]] = (
    (11, 24, "Tarsier2ForConditionalGeneration"),
    (
        11,
        33,
        "DotsOCRForCausalLM Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration H2OVLChatModel "
        "InternVLChatModel JinaVLForRanking KimiVLForConditionalGeneration Llama4ForConditionalGeneration MiniCPMO "
        "MiniCPMV NVLM_D Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration "
        "Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration Step3VLForConditionalGeneration",
    ),
    (12, 28, "HunYuanVLForConditionalGeneration"),
    (12, 33, "OpenCUAForConditionalGeneration"),
    (14, 33, "IsaacForConditionalGeneration"),
    (15, 33, "Eagle2_5_VLForConditionalGeneration KimiK25ForConditionalGeneration StepVLForConditionalGeneration"),
    (16, 33, "GlmOcrForConditionalGeneration InternS1ProForConditionalGeneration"),
    (
        17,
        33,
        "ColQwen3 OpsColQwen3Model Qwen3VLNemotronEmbedModel Qwen3_5ForConditionalGeneration "
        "Qwen3_5MoeForConditionalGeneration",
    ),
    (19, 33, "ColQwen3_5"),
    (20, 33, "Exaone4_5_ForConditionalGeneration"),
    (21, 33, "QianfanOCRForConditionalGeneration"),
    (22, 33, "InternS2PreviewForConditionalGeneration MiniCPMV4_6ForConditionalGeneration"),
    (23, 33, "Cosmos3ForConditionalGeneration Step3p7ForConditionalGeneration"),
    (24, 33, "MiniMaxM3SparseForConditionalGeneration"),
    (26, 33, "Cosmos3EdgeForConditionalGeneration"),
    (27, 33, "KimiK3ForConditionalGeneration"),
    (28, 33, "Dots3NoteForCausalLM InternS2MobiusForConditionalGeneration"),
    (29, 33, "Qwen4ExpForConditionalGeneration"),
    (30, 33, "CohereCompassForConditionalGeneration DeepseekV41ForCausalLM Glm5NextForConditionalGeneration"),
    (32, 33, "MiniCPMV4_7ForConditionalGeneration"),
    (
        33,
        33,
        "Alpamayo2Super ClefFlashForJointSchema MiniCPMOcrForConditionalGeneration MuseSparkForConditionalGeneration "
        "Step5ForConditionalGeneration",
    ),
)
"""Classes with ``supports_encoder_tp_data``."""

ONE_STAGE: Final[tuple[tuple[int, int, str], ...]] = (
    (11, 12, "Phi4MultimodalForCausalLM"),
    (11, 23, "MiniMaxForCausalLM MiniMaxM1ForCausalLM MiniMaxText01ForCausalLM"),
    (11, 26, "OuroForCausalLM"),
    (11, 28, "PrithviGeoSpatialMAE"),
    (
        11,
        33,
        "AriaForConditionalGeneration BertForSequenceClassification BertForTokenClassification BertModel "
        "BertSpladeSparseEmbeddingModel CLIPModel GPT2ForSequenceClassification Gemma3TextModel Gemma3nForCausalLM "
        "Gemma3nForConditionalGeneration GteModel GteNewForSequenceClassification GteNewModel "
        "Idefics3ForConditionalGeneration Mamba2ForCausalLM ModernBertForSequenceClassification "
        "ModernBertForTokenClassification ModernBertModel NemotronH_Nano_VL_V2 NomicBertModel "
        "PaddleOCRVLForConditionalGeneration Phi4MMForCausalLM RobertaForMaskedLM RobertaForSequenceClassification "
        "RobertaModel SiglipModel SmolVLMForConditionalGeneration Terratorch WhisperForConditionalGeneration "
        "XLMRobertaForSequenceClassification XLMRobertaModel Zamba2ForCausalLM",
    ),
    (
        14,
        33,
        "IQuestLoopCoderForCausalLM LlamaBidirectionalForSequenceClassification LlamaBidirectionalModel "
        "NemotronParseForConditionalGeneration",
    ),
    (15, 33, "BgeM3EmbeddingModel"),
    (16, 33, "HF_ColBERT VoyageQwen3BidirectionalEmbedModel"),
    (
        17,
        33,
        "ColBERTJinaRobertaModel ColBERTModernBertModel ColModernVBertForRetrieval "
        "FireRedASR2ForConditionalGeneration FunASRForConditionalGeneration",
    ),
    (18, 23, "ErnieForSequenceClassification ErnieForTokenClassification ErnieModel"),
    (19, 33, "CohereAsrForConditionalGeneration ColBERTLfm2Model"),
    (20, 20, "DeepseekV4ForCausalLM"),
    (20, 28, "FireRedLIDForConditionalGeneration"),
    (20, 33, "JinaForRanking NemotronH_Nano_Omni_Reasoning_V3 NemotronH_Super_Omni_Reasoning_V3"),
    (24, 24, "MiniMaxM3SparseForCausalLM MiniMaxM3SparseForConditionalGeneration"),
    (24, 33, "HrmTextForCausalLM"),
    (25, 33, "OpenAIPrivacyFilterForTokenClassification"),
    (26, 33, "BertForMaskedLM RobertaForTokenClassification XLMRobertaForTokenClassification"),
    (27, 33, "DiffusionGemmaForBlockDiffusion"),
    (29, 33, "NemotronH_Omni_Reasoning_V3"),
    (32, 33, "EmbeddingGemma2Model"),
    (
        33,
        33,
        "AliceAIForCausalLM ColUltraVBertForRetrieval D3ForSequenceClassification DomynEdgeForCausalLM "
        "DoryForCausalLM Lfm2BidirectionalModel ModernVBertModel RadioMBartPrefixForCausalLM",
    ),
)
"""Classes without ``SupportsPP``: no pipeline stages."""
